"""PostgreSQL and the emulator as processes: they start again with what they had, and leave nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from demo.cloud.ministack import Emulator, Ministack
from demo.cloud.postgres import Postgres, with_database
from demo.errors import PortTaken, ProcessFailed
from demo.processes import temporary_folder

ROOT = Path(__file__).parents[3]


def test_a_durable_server_keeps_its_rows_and_its_password_over_a_restart() -> None:
    folder = temporary_folder("restart")
    with Postgres.start(folder) as server:
        url = server.ensure_database("kept")
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE t AS SELECT 7 AS n")
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW server_version_num").fetchone()[0].startswith("18")  # type: ignore[index]
    with Postgres.start(folder) as again:
        assert again.password == server.password
        with psycopg.connect(again.ensure_database("kept")) as connection:
            assert connection.execute("SELECT n FROM t").fetchone() == (7,)
    shutil.rmtree(folder)


def test_a_server_that_was_killed_recovers() -> None:
    folder = temporary_folder("killed")
    server = Postgres.start(folder)
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS n")
    os.killpg(server.child.pid, signal.SIGKILL)
    server.child.process.wait()
    server.stop()
    with Postgres.start(folder) as again, psycopg.connect(again.url()) as connection:
        assert connection.execute("SELECT n FROM t").fetchone() == (7,)
    shutil.rmtree(folder)


def test_a_folder_that_other_users_cannot_enter_works_and_is_new_once_removed(tmp_path: Path) -> None:
    """As root the server runs as another user; a checkout below /root is closed to that one."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with Postgres.start(closed / "postgres") as server:
        server.create_database("first")
    home = server.folder
    with Postgres.start(closed / "postgres") as server, psycopg.connect(server.url("first")) as connection:
        connection.execute("SELECT 1")
    shutil.rmtree(closed / "postgres")
    with Postgres.start(closed / "postgres") as server:
        server.create_database("first")
    shutil.rmtree(home)


def test_nobody_comes_in_without_the_password(postgres: Postgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(postgres.url().replace(postgres.password, "guess"))
    assert with_database(postgres.url(), "other") == postgres.url("other")


def test_a_taken_port_is_one_sentence(cloud: Emulator, tmp_path: Path) -> None:
    with pytest.raises(PortTaken, match="CLOUD_PORT"):
        Ministack.start(tmp_path, port=cloud.port)


def test_a_second_server_on_the_same_data_says_why_it_does_not_start() -> None:
    folder = temporary_folder("twice")
    with Postgres.start(folder, durable=False), pytest.raises(ProcessFailed, match="postmaster"):
        Postgres.start(folder, durable=False)
    shutil.rmtree(folder)


def test_the_emulator_listens_on_the_loopback_interface_alone_and_opens_no_other_port(tmp_path: Path) -> None:
    with Ministack.start(tmp_path) as cloud:
        process = psutil.Process(cloud.child.pid)
        listening = {connection.laddr for connection in process.net_connections() if connection.status == psutil.CONN_LISTEN}
    assert {(address.ip, address.port) for address in listening} == {("127.0.0.1", cloud.port)}


def test_when_the_process_that_started_them_is_killed_both_end_and_their_folder_goes() -> None:
    script = (
        "import time\nfrom demo.cloud.ministack import Ministack\nfrom demo.cloud.postgres import Postgres\n"
        "from demo.processes import temporary_folder\nfolder = temporary_folder('orphan')\n"
        "postgres, cloud = Postgres.start(folder / 'postgres'), Ministack.start(folder / 'cloud')\n"
        "print(folder, postgres.child.pid, cloud.child.pid, flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    folder, *pids = parent.stdout.readline().split()
    assert Path(folder).exists()
    assert all(psutil.pid_exists(int(pid)) for pid in pids)
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while Path(folder).exists() or any(_runs(int(pid)) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
