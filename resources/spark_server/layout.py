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

UNUSED_JARS = (
    *("spark-kubernetes", "kubernetes-", "volcano-", "vertx-", "zjsonpatch"),
    *("spark-hive", "hive-beeline", "hive-cli", "hive-common", "hive-exec", "hive-jdbc", "hive-metastore", "hive-serde"),
    *("hive-service", "hive-shims", "datanucleus-", "derby", "HikariCP", "javax.jdo", "jdo-api", "jta-", "transaction-api"),
    *("libfb303", "libthrift", "super-csv", "opencsv", "antlr-runtime-3", "ST4", "commons-dbcp", "commons-pool", "jpam", "oro"),
    *("spark-yarn", "spark-repl", "scala-compiler", "jline", "java-diff-utils"),
    *("spark-graphx", "breeze", "spire", "algebra_", "cats-kernel", "arpack", "lapack", "blas-", "JTransforms", "JLargeArrays"),
    *("curator-", "zookeeper", "netty-tcnative"),
)
"""Jars of PySpark that a Connect server of Delta tables never opens: other cluster managers, Hive, the shell, numeric kernels.

Spark's code generator asks the class path for names that no jar has, and Java then looks into every jar: without these 66 of
276, a class look-up that fails costs a third less.
"""


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
        """The server's jars in one stable order: an AOT cache serves only the very class path it was made with."""
        ours = sorted(self.jars.glob("*.jar"))
        return ours + [jar for jar in sorted(self.pyspark_jars.glob("*.jar")) if not jar.name.startswith(UNUSED_JARS)]


def default_layout(folder: Path | None = None) -> Layout:
    """The state folder that PUSHLAKE_STATE names, else `.lake` where the command runs."""
    return Layout(Path(os.environ.get("PUSHLAKE_STATE", ".lake")).resolve(), folder.resolve() if folder else None)
