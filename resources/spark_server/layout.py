"""Where the server's files are.

Belongs here: paths under the state folder and in the installed PySpark. Not here: making the files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from resources.errors import SetUpFailed

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Layout:
    """The state folder (`.lake` by default) and what the server keeps in it; `folder` moves what one server writes."""

    state: Path
    folder: Path | None = None

    @property
    def jars(self) -> Path:
        return self.state / "jars"

    @property
    def ivy_cache(self) -> Path:
        return self.state / "ivy"

    @property
    def server(self) -> Path:
        """Logs, process file and scratch space of the running server."""
        return self.folder or self.state / "spark"

    @property
    def aot(self) -> Path:
        return self.state / "aot"

    @property
    def pyspark_jars(self) -> Path:
        spec = find_spec("pyspark")
        if spec is None or spec.origin is None:
            raise SetUpFailed("PySpark is not installed.")
        return Path(spec.origin).parent / "jars"

    def class_path(self) -> list[Path]:
        """Every jar of the server, in one stable order: an AOT cache serves only the very class path it was made with."""
        return sorted(self.jars.glob("*.jar")) + sorted(self.pyspark_jars.glob("*.jar"))


def default_layout(folder: Path | None = None) -> Layout:
    """The state folder that PUSHLAKE_STATE names, else `.lake` where the command runs."""
    return Layout(Path(os.environ.get("PUSHLAKE_STATE", ".lake")).resolve(), folder.resolve() if folder else None)
