"""Sessions: one a unit of work, found again by its name, orphans interrupted, errors without values."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

from resources.errors import ServerFailed, SparkFailed
from resources.lake import LakeResource
from resources.ports import free_port
from resources.spark import SparkConnectResource, close_session, open_session, session_id, spark_errors
from tests.fixtures.spark import SparkTestServer

SLOW = "SELECT count(*) FROM range(0, 100000000000, 1, 2) WHERE hash(id) = 1"


def test_each_session_has_its_settings_and_views_alone(spark_server: SparkTestServer) -> None:
    resource = SparkConnectResource(remote=spark_server.remote)
    with resource.session("one") as one, resource.session("two") as two:
        one.conf.set("spark.sql.shuffle.partitions", "7")
        one.range(3).createOrReplaceTempView("things")
        assert one.table("things").count() == 3
        assert two.conf.get("spark.sql.shuffle.partitions") != "7"
        assert not two.catalog.tableExists("things")


def test_no_session_has_a_class_loader_of_its_own_by_which_spark_would_keep_generated_code(spark_server: SparkTestServer) -> None:
    with SparkConnectResource(remote=spark_server.remote).session("shares") as session:
        for name in ("enabled", "alwaysApplyClassloader"):
            assert session.conf.get(f"spark.sql.artifact.isolation.{name}") == "false"
    raw = SparkSession.builder.remote(spark_server.remote).create()  # what it would be otherwise: then the detour is to go
    try:
        assert raw.conf.get("spark.sql.artifact.isolation.alwaysApplyClassloader") == "true"
    finally:
        close_session(raw)


def test_a_template_that_ended_has_a_successor(spark_server: SparkTestServer) -> None:
    first = f"template/{datetime.now(UTC):%Y-%m-%d}#0"
    separator = "" if "/;" in spark_server.remote else "/"
    template = SparkSession.builder.remote(f"{spark_server.remote}{separator};session_id={session_id(first)}").create()
    try:
        template.conf.get("spark.sql.shuffle.partitions")
    except PySparkException:  # it had ended before
        template.release_session_on_close = False
    close_session(template)
    for _ in range(2):
        with SparkConnectResource(remote=spark_server.remote).session("after the template") as session:
            assert session.range(2).count() == 2


def test_a_name_can_be_used_again_after_its_session_was_closed(spark_server: SparkTestServer) -> None:
    resource = SparkConnectResource(remote=spark_server.remote)
    for _ in range(3):
        with resource.session("bronze/17") as session:
            assert session.range(2).count() == 2


def test_two_lakes_on_one_server_have_each_their_batch(spark_server: SparkTestServer) -> None:
    one, two = (
        LakeResource(spark=SparkConnectResource(remote=spark_server.remote), uri=uri) for uri in ("file:///one", "file:///two")
    )
    with one.tables("batch/2") as kept:
        with two.tables("batch/2") as other:
            assert kept.spark.session_id != other.spark.session_id
        assert kept.spark.range(2).count() == 2, "closed with the other lake's"
    with LakeResource(spark=one.spark, uri="file:///one/").tables("batch/2") as again:
        assert again.spark.session_id == session_id("file:///one batch/2#1"), "not what a killed run of this lake would leave"


def test_a_session_that_could_not_be_opened_is_not_asked_for_settings_later(spark_server: SparkTestServer) -> None:
    resource, times = SparkConnectResource(remote=spark_server.remote), []

    def in_a_thread_without_sessions() -> None:
        with resource.session("bronze/19"):
            pass
        with resource.session("bronze/19") as session:
            times.extend(session.range(1).select(sf.lit(datetime(2026, 11, 24, tzinfo=UTC)).alias("at")).collect())

    thread = threading.Thread(target=in_a_thread_without_sessions)
    thread.start()
    thread.join(60)
    assert len(times) == 1


def test_what_a_killed_client_left_running_is_interrupted_by_the_next_of_its_name(spark_server: SparkTestServer) -> None:
    orphan = open_session(spark_server.remote, "bronze/18")
    ended: list[SparkFailed] = []

    def run() -> None:
        try:
            with spark_errors("counting for a long time"):
                orphan.sql(SLOW).collect()
        except SparkFailed as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(2)
    with SparkConnectResource(remote=spark_server.remote).session("bronze/18") as successor:
        assert session_id("bronze/18") == successor.session_id
        thread.join(30)
        assert not thread.is_alive()
        assert [error.condition for error in ended] == ["OPERATION_CANCELED"]
        assert successor.range(2).count() == 2
    close_session(orphan)


def test_a_server_that_is_not_there_gets_one_sentence() -> None:
    remote = f"sc://127.0.0.1:{free_port()}"
    with pytest.raises(ServerFailed, match=r"No Spark server answers at 127\.0\.0\.1:\d+"):
        open_session(remote)


def test_a_remote_of_another_form_is_refused() -> None:
    with pytest.raises(ServerFailed, match="of the form sc://host:port"):
        open_session("127.0.0.1:15002")


@pytest.mark.parametrize(
    ("statement", "condition"),
    [
        ("SELECT cast(concat('plain-', 'value-', id) AS int) FROM range(9)", "CAST_INVALID_INPUT"),
        ("SELECT to_date(concat('plain-', 'value-', id), 'yyyy') FROM range(9)", "CANNOT_PARSE_TIMESTAMP"),
        ("SELECT assert_true(id < 0, concat('plain-', 'value-', id)) FROM range(9)", "USER_RAISED_EXCEPTION"),
        ("SELECT * FROM nowhere WHERE name = 'plain-value-1'", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELEC 'plain-value-1'", "PARSE_SYNTAX_ERROR"),
    ],
)
def test_a_failure_writes_no_value_to_error_client_log_or_server_log(
    spark: SparkSession, spark_server: SparkTestServer, capfd: pytest.CaptureFixture[str], statement: str, condition: str
) -> None:
    with pytest.raises(SparkFailed) as failed, spark_errors("asking what fails"):
        spark.sql(statement).collect()
    assert failed.value.condition == condition
    assert "plain-" not in str(failed.value)
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert "plain-" not in "".join(capfd.readouterr())
    assert "plain-" not in spark_server.log.read_text()


def test_the_server_log_still_says_what_kind_of_failure_it_was(spark: SparkSession, spark_server: SparkTestServer) -> None:
    with pytest.raises(SparkFailed), spark_errors("asking what fails"):
        spark.sql("SELECT cast(concat('x', id) AS int) FROM range(9)").collect()
    assert "[CAST_INVALID_INPUT]" in spark_server.log.read_text()
