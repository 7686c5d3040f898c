"""The AOT cache: classes loaded, linked and profiled in a training run, so that later servers start warm (JEP 483, 514, 515).

Belongs here: when it can be made, making it, the option that uses it. Not here: what the training does (training.py).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from resources.ports import free_port
from resources.spark_server.jvm import Jvm
from resources.spark_server.layout import Layout
from resources.spark_server.options import COLLECTOR
from resources.spark_server.server import ENDED, SparkServer

_ASSEMBLY_SECONDS = 300.0
"""After the training the JVM writes the cache before it ends; that takes longer than an ordinary stop."""


def cache_file(layout: Layout, jvm: Jvm) -> Path:
    """The cache for this Java, its collector and this class path: another one of either is another file, so a stale one is never used."""
    digest = hashlib.sha256(f"{jvm.java.resolve()} {jvm.version} {COLLECTOR}".encode())
    for jar in layout.class_path():
        status = jar.stat()
        digest.update(f"{jar} {status.st_size} {int(status.st_mtime)}\n".encode())
    return layout.aot / f"server-{digest.hexdigest()[:16]}.aot"


def aot_options(layout: Layout, jvm: Jvm) -> list[str]:
    """Java's options to use the cache, where there is one. A cache that Java then refuses costs a warning, not the start."""
    cache = cache_file(layout, jvm) if jvm.can_aot else None
    return [f"-XX:AOTCache={cache}"] if cache and cache.exists() else []


def make_aot_cache(layout: Layout, jvm: Jvm) -> str:
    """Makes the cache if this Java can and it is not there yet; a few words on what came of it."""
    if not jvm.can_aot:
        return f"none, as Java {jvm.feature} cannot make one (25 can)"
    cache = cache_file(layout, jvm)
    if cache.exists():
        return "there"
    from resources.spark_server.training import train

    layout.aot.mkdir(parents=True, exist_ok=True)
    log = layout.aot / "training.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=layout.aot) as scratch:
        folder = Path(scratch)
        # Each try writes where no other does: a Java that is killed leaves a part, and another Java that it had started to write on.
        making = folder / "server.making"
        server = SparkServer(
            Layout(layout.state, folder / "server"),
            jvm,
            free_port(),
            env=_without_aws(),
            extra=[f"-XX:AOTCacheOutput={making}", *_REFUSING_S3],
            log=log,
        )
        try:
            server.start()
            server.wait_ready()
            train(server.url, folder)
        finally:
            code = server.stop(_ASSEMBLY_SECONDS)
        if code != ENDED or not making.exists():
            return "none, as Java did not write one to its end: servers start without, which works and is slower"
        _discard_others(layout)
        shutil.move(making, cache)
    return f"made, {cache.stat().st_size / 1e6:.0f} MB"


_REFUSING_S3 = (
    "-Dspark.hadoop.fs.s3a.endpoint=http://127.0.0.1:1",
    "-Dspark.hadoop.fs.s3a.attempts.maximum=1",
    "-Dspark.hadoop.fs.s3a.retry.limit=1",
    "-Dspark.hadoop.fs.s3a.connection.ssl.enabled=false",
)


def _without_aws() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**inherited, "AWS_ACCESS_KEY_ID": "training", "AWS_SECRET_ACCESS_KEY": "training"}


def _discard_others(layout: Layout) -> None:
    for old in layout.aot.glob("server-*"):
        old.unlink()
