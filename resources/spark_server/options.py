"""What the server is started with: Java's options and Spark's settings.

Belongs here: each option and why. Not here: starting the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from resources.ports import LOOPBACK
from resources.spark_server.jvm import Jvm
from resources.spark_server.layout import HERE
from resources.table_schema import INDEXED

MAIN_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"

_OPENED = (
    *("java.lang", "java.lang.invoke", "java.lang.reflect", "java.io", "java.net", "java.nio", "java.util"),
    *("java.util.concurrent", "java.util.concurrent.atomic", "jdk.internal.ref", "sun.nio.ch", "sun.nio.cs"),
    "sun.util.calendar",
)
"""The packages of java.base that Spark reaches into; the list of its launcher's JavaModuleOptions."""


_UNSAFE_OPTIONS = ("--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED")
"""Since Java 24."""

_QUIET = ("-Xlog:disable", "-Xlog:all=error:stderr")
"""Java warns of each adapter that its AOT cache holds under another name."""

COLLECTOR = "-XX:+UseParallelGC"
"""The collector that pauses: nobody waits for milliseconds here, and all else takes a tenth less time with it. See docs/decisions/0040-both-of-javas-compilers.md."""

_HUGE_METHODS = "-XX:-DontCompileHugeMethods"
"""What Spark generates for a line's check is more than 8,000 bytes, and Java would interpret it for ever: a tenth of the time that a large batch takes."""

LOG_SETTINGS = HERE / "log4j2.properties"
"""The log that holds no value."""


@dataclass(frozen=True)
class Workers:
    """The workers of a cluster: Java, this package and the folder `jars` are on each of them at the same path as here.

    `master` as Spark names it (`spark://host:7077`); `driver_host` is the address at which workers reach the server; `heap` is each
    one's -Xmx.
    """

    master: str
    driver_host: str
    heap: str
    jars: Path
    java_options: tuple[str, ...]


def worker_java_options(jvm: Jvm) -> tuple[str, ...]:
    """Java's own options on a worker; Spark adds its --add-opens there itself."""
    options = (COLLECTOR, _HUGE_METHODS, *_QUIET)
    return (*options, *_UNSAFE_OPTIONS) if jvm.feature >= 24 else options


def java_options(jvm: Jvm, heap: str, scratch: Path) -> list[str]:
    """Java's own options, without class path and AOT."""
    options = [
        f"-Xmx{heap}",
        "-Xss4m",
        COLLECTOR,
        _HUGE_METHODS,
        *_QUIET,
        "-XX:+ExitOnOutOfMemoryError",  # a wounded server answers, and fails, for hours
        f"-XX:ErrorFile={scratch}/hs_err_%p.log",
        f"-Djava.io.tmpdir={scratch}",
        "-Dio.netty.tryReflectionSetAccessible=true",
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    ]
    if jvm.feature >= 24:
        options += _UNSAFE_OPTIONS
    else:
        options.append("--add-opens=java.base/sun.security.action=ALL-UNNAMED")  # gone from Java 24
    return options


def spark_settings(
    port: int, scratch: Path, cores: int, env: Mapping[str, str], workers: Workers | None = None
) -> dict[str, str]:
    """Spark's settings for a server of Delta tables: on one machine, or with the `workers` of a cluster."""
    return {
        "spark.app.name": "pushlake",
        "spark.master": workers.master if workers else f"local[{cores}]",
        "spark.driver.host": workers.driver_host if workers else LOOPBACK,
        "spark.driver.bindAddress": workers.driver_host if workers else LOOPBACK,
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        **_few_tasks(cores),
        **(_worker_settings(workers) if workers else {}),
        **_parquet_settings(),
        **_s3_settings(env),
    }


def _worker_settings(workers: Workers) -> dict[str, str]:
    """What the processes on the workers need. Their credentials for S3 stand in their own environment, as the server's do."""
    return {
        "spark.executor.memory": workers.heap,
        "spark.executor.extraClassPath": f"{workers.jars}/*",
        "spark.executor.extraJavaOptions": " ".join([*workers.java_options, f"-Dlog4j2.configurationFile={LOG_SETTINGS}"]),
    }


def _few_tasks(cores: int) -> dict[str, str]:
    """Few tasks: one for what is small, and one per 16 MB of what is not.

    Code generation stays on, as large batches need it (200,000 rows: an append takes 3 s of CPU with it, 8 s without). Whoever
    knows that a batch is small switches it off for a session: there, compiling takes three quarters of all tasks' time.
    """
    return {
        "spark.default.parallelism": str(cores),
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.files.minPartitionNum": "1",
        "spark.sql.files.maxPartitionBytes": "16m",
        "spark.sql.files.openCostInBytes": "262144",
        "spark.databricks.delta.snapshotPartitions": "1",
        # A round of MERGEs into seven tables and their histories has some 1,000 pieces of generated code: with as many kept, the default, each was compiled anew.
        "spark.sql.codegen.cache.maxEntries": "5000",
        # Each broadcast takes a buffer of this size first, and each stage has some: of 4 MB, the default, Java collects all the time.
        "spark.broadcast.blockSize": "256k",
    }


def _parquet_settings() -> dict[str, str]:
    """No minima and maxima in Parquet's footers, but of the columns that Delta indexes anyway."""
    switch = "spark.hadoop.parquet.column.statistics.enabled"
    return {switch: "false", **{f"{switch}#{name}": "true" for name in INDEXED}}


def _s3_settings(env: Mapping[str, str]) -> dict[str, str]:
    """S3 by the standard AWS variables. Credentials stay in the environment: settings can be read by any client."""
    settings = {
        "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "fs.s3a.endpoint.region": env.get("AWS_DEFAULT_REGION", env.get("AWS_REGION", "eu-west-2")),
        "fs.s3a.input.stream.type": "classic",  # the default of Hadoop 3.5 needs a jar more
        "fs.s3a.audit.enabled": "false",
    }
    endpoint = env.get("AWS_ENDPOINT_URL")
    if endpoint:
        settings |= {
            "fs.s3a.endpoint": endpoint,
            "fs.s3a.path.style.access": "true",
            "fs.s3a.connection.ssl.enabled": str(urlsplit(endpoint).scheme == "https").lower(),
        }
    if "AWS_ACCESS_KEY_ID" in env:
        provider = "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"
        settings["fs.s3a.aws.credentials.provider"] = provider
    return {f"spark.hadoop.{name}": value for name, value in settings.items()}
