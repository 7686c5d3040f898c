"""What a task fails on stays out of the server's own log, whoever raises: Spark, Delta, or a library below them that has no error classes."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import SparkSession

from resources.errors import SparkFailed
from resources.spark import SMALL_WORK, spark_errors
from resources.spark_server.layout import HERE
from tests.fixtures.spark import SparkTestServer

PLAIN, SHOUTED = "Zebulon", "[QUACKENBUSH]"
"""The second looks like one of Spark's error classes."""

FAILING = {
    "cast": ("SELECT cast(name AS INT) FROM t", "CAST_INVALID_INPUT"),
    "date": ("SELECT to_date(name, 'yyyy') FROM t", "CANNOT_PARSE_TIMESTAMP"),
    "JSON": ("SELECT from_json(concat('{\"a\": ', name), 'a INT', map('mode', 'FAILFAST')) FROM t", "MALFORMED_RECORD_IN_PARSING"),
    "map key": ("SELECT map(left(name, 5), 1, left(name, 5), 2) FROM t", "DUPLICATED_MAP_KEY"),
    "message": ("SELECT raise_error(name) FROM t", "USER_RAISED_EXCEPTION"),
    "number": ("SELECT to_number(name, '999') FROM t", "INVALID_FORMAT"),
    "URL": ("SELECT parse_url(name, 'HOST') FROM t", "INVALID_URL"),
    "literal": (f"SELECT * FROM t WHERE name <> '{PLAIN}{SHOUTED}' AND cast(name AS DATE) > '2020-01-01'", "CAST_INVALID_INPUT"),
    "constraint": (f"INSERT INTO {{delta}} SELECT concat('{PLAIN} {SHOUTED}', id), id FROM range(1)", "TASK_WRITE_FAILED"),
    "merge": ("MERGE INTO {delta} d USING t ON d.name = t.name WHEN NOT MATCHED THEN INSERT (name, id) VALUES (t.name, cast(t.name AS INT))",
              "CAST_INVALID_INPUT"),
    "Java's numbers": ("SELECT java_method('java.lang.Integer', 'parseInt', name) FROM t", ""),
    "Java's patterns": ("SELECT name RLIKE concat(name, '(') FROM t", ""),
}  # fmt: skip


COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
"""As a server runs what is not small: the tests' own compiles nothing."""


INTERPRETED = {"merge": "TASK_WRITE_FAILED", "Java's patterns": "INVALID_PARAMETER_VALUE"}
"""What is told by another class then: it is the writer that computes the row, and Spark that reads the pattern."""


@pytest.fixture
def canaries(spark: SparkSession, tmp_path: Path) -> str:
    """A view `t` of names that are computed by tasks, and the name of a Delta table that takes none of them."""
    delta = f"delta.`{tmp_path}/names`"
    spark.sql(f"CREATE TABLE {delta} (name STRING, id BIGINT) USING delta")
    spark.sql(f"ALTER TABLE {delta} ADD CONSTRAINT short CHECK (length(name) < 3)")
    spark.sql(f"SELECT concat('{PLAIN} {SHOUTED}', id) AS name FROM range(2)").createOrReplaceTempView("t")
    return delta


def logged(server: SparkTestServer, since: int) -> str:
    """What the log has got, once it has said that the job was given up."""
    deadline = time.monotonic() + 5
    while "TaskSetManager" not in (new := server.log.read_bytes()[since:].decode()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return new


@pytest.mark.parametrize("way", [COMPILED, SMALL_WORK], ids=["compiled", "interpreted"])
def test_a_failing_task_says_its_error_class_and_no_value(
    spark: SparkSession, spark_server: SparkTestServer, canaries: str, capfd: pytest.CaptureFixture[str], way: Mapping[str, str]
) -> None:  # fmt: skip
    """Spark's own error, which the log is made from, holds the value: but for errors without a class, which the client is not told."""
    for setting, value in way.items():
        spark.conf.set(setting, value)
    for name, (statement, condition) in FAILING.items():
        if way is SMALL_WORK:
            condition = INTERPRETED.get(name, condition)
        since = spark_server.log.stat().st_size
        raised: list[PySparkException] = []

        def run(statement: str = statement, raised: list[PySparkException] = raised) -> None:
            try:
                spark.sql(statement.replace("{delta}", canaries)).collect()
            except PySparkException as error:
                raised.append(error)
                raise

        with pytest.raises(SparkFailed) as failed, spark_errors(f"trying {name}"):
            run()
        if condition:
            assert PLAIN in str(raised[0]) or "left(" in statement, name
        assert "Zebulon" not in str(failed.value), name
        assert "QUACKENBUSH" not in str(failed.value), name
        log = logged(spark_server, since)
        assert "TaskSetManager" in log, f"{name}: no task failed, so nothing is shown"
        assert f"[{condition}" in log if condition else "[" not in log, f"{name}: {log}"
        assert not re.search("Zebulon|QUACKENBUSH", log), f"{name}: {log}"
    assert not re.search("Zebulon|QUACKENBUSH", "".join(capfd.readouterr()))


def shown(message: str) -> str:
    """What the appender for unknown loggers writes of a message: its own pattern, applied here."""
    setting = next(
        line for line in (HERE / "log4j2.properties").read_text().splitlines() if line.startswith("appender.bare.layout.pattern")
    )
    pattern = re.search(r"%replace\{%m\}\{(.*)\}\{\$1\}", setting)
    assert pattern
    return re.sub(pattern[1].replace("\\\\", "\\"), lambda found: found[1] or "", message)


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("Lost task 0.0 (TID 1): org.apache.spark.SparkNumberFormatException: [CAST_INVALID_INPUT] The value '[SMITH]'", "[CAST_INVALID_INPUT]"),
        ("Lost task 0.0: org.apache.spark.sql.AnalysisException: [INVALID_FORMAT.MISMATCH_INPUT] [SMITH]", "[INVALID_FORMAT.MISMATCH_INPUT]"),
        ("Lost task 0.0: java.util.regex.PatternSyntaxException: Unclosed group near index 8\n[SMITH] (", ""),
        ("Lost task 0.0: java.lang.IllegalArgumentException: [SMITH]", ""),
        ("[SMITH]", ""),
    ],
)  # fmt: skip
def test_only_an_error_class_of_spark_itself_is_written(message: str, written: str) -> None:
    assert shown(message) == written


def test_no_logger_but_the_named_ones_writes_messages() -> None:
    """Each of these was looked at: it speaks of ports, memory and files."""
    settings = dict(line.split(" = ", 1) for line in (HERE / "log4j2.properties").read_text().splitlines() if " = " in line)
    full = {key.split(".")[1] for key, value in settings.items() if value == "full" and key.startswith("logger.")}
    read: Callable[[str], str] = lambda name: settings[f"logger.{name}.name"]  # noqa: E731
    assert {read(name) for name in full} == {
        "org.apache.spark.sql.connect.service.SparkConnectServer", "org.apache.spark.util.Utils", "org.apache.hadoop.fs.s3a",
    }  # fmt: skip
