"""What the relay says of itself over HTTP while it works: saved into the run's folder, where the leak scan reads it.

Belongs here: asking and saving. Not here: what it says (publisher/watch).
"""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

from demo.errors import DemoError
from resources.ports import LOOPBACK

PAGES = ("metrics", "healthz", "readyz")
KINDS = {"text": "text/plain", "openmetrics": "application/openmetrics-text; version=1.0.0"}
"""Prometheus asks for either; the second one can hold exemplars, which the first cannot."""
SECONDS = 5.0


def save_watch(port: int, folder: Path, moment: str) -> list[Path]:
    """Saves each page, head and body, as `<moment>-<page>.<kind>.txt`. Raises DemoError where one cannot be had, or is empty."""
    folder.mkdir(exist_ok=True)
    saved = []
    for page in PAGES:
        for kind, accept in KINDS.items():
            path = folder / f"{moment}-{page}.{kind}.txt"
            path.write_bytes(_fetched(f"http://{LOOPBACK}:{port}/{page}", accept))
            saved.append(path)
    return saved


def _fetched(url: str, accept: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 (our own address)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            head, body = str(answer.headers), answer.read()
    except urllib.error.HTTPError as error:  # not ready, say: that page is read as well
        head, body = str(error.headers), error.read()
    except OSError as error:
        raise DemoError(f"The relay does not answer at {url} ({type(error).__name__}); its log is logs/relay.log.") from None
    if not body:
        raise DemoError(f"The relay says nothing at {url}: there is nothing to search.")
    return head.encode() + body
