"""All the parts of the demo, running: which processes there are, with what settings, in which order.

Belongs here: starting them and knowing their addresses. Not here: how a process is supervised (processes.py), what happens while they
run (run.py).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg

from demo.cloud.ministack import Ministack
from demo.cloud.postgres import Postgres
from demo.cloud.provision import provision, read_pseudonym_key, unwrap_data_key
from demo.errors import DemoError
from demo.lake_keys import KeySearch, family, forms_of, search_processes
from demo.own_folder import own_folder
from demo.platform import migrate
from demo.processes import Child, Supervisor, require_free_port
from demo.watch import save_watch
from resources.ports import LOOPBACK, accepts, free_port

ROOT = Path(__file__).parent.parent
PLATFORM_ONLY = ("PLATFORM_", "PUBLISHER_", "LAKE_STREAM")
LAKE_PROCESSES = ("spark", "code", "dagster", "ui")
CONTROL = "PUSHLAKE_CONTROL"
"""Every process of the lake has it in its environment, so that the search for keys can prove that it looks."""

STATE = Path(os.environ.get("PUSHLAKE_STATE", ROOT / ".lake")).resolve()
BIN = Path(sys.executable).parent
FIREHOSE_SECONDS = 5
FIREHOSE_DUPLICATE_EVERY = 50
NEVER = "0 0 29 2 1"


@dataclass
class Stack:
    """A running stack. `env` holds the settings of design part 10 for every process of it."""

    supervisor: Supervisor
    folder: Path
    env: dict[str, str] = field(default_factory=dict)
    data_key: bytes = b""
    relay: Child | None = None
    firehose: Child | None = None
    code: Child | None = None
    code_port: int = 0
    watch_port: int = 0
    peak_bytes: int = 0

    @classmethod
    def prepare(cls, supervisor: Supervisor, name: str) -> Stack:
        """A stack in an empty folder of its own. Raises DemoError where it cannot be had."""
        return cls(supervisor, own_folder(STATE / name))

    def start_platform(self) -> None:
        """The local cloud and PostgreSQL beside each other, then what they must hold: buckets, keys, the schema, triggers."""
        with ThreadPoolExecutor(2) as pool:
            cloud = pool.submit(Ministack.start, self.folder / "cloud", port=port_of("CLOUD_PORT"))
            database = pool.submit(Postgres.start, self.folder / "postgres", port=_checked("DATABASE_PORT", "PostgreSQL"))
            self.supervisor.adopt(cloud.result().child)
            self.supervisor.adopt(database.result().child)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self.env = {
            **inherited,
            **provision(cloud.result().environment()),
            "PLATFORM_DATABASE_URL": database.result().create_database("platform"),
            "CONTRACTS_DIR": str(ROOT / "contracts"),
            CONTROL: secrets.token_hex(16),
            "PYTHONUNBUFFERED": "1",
        }
        self.data_key = unwrap_data_key(self.env)
        migrate(self.env["PLATFORM_DATABASE_URL"])
        self.publisher("install")

    @property
    def lake_env(self) -> dict[str, str]:
        """What the lake's processes are given: nothing of the platform's, whose database and keys they must never reach."""
        return {name: value for name, value in self.env.items() if not name.startswith(PLATFORM_ONLY)}

    def search_lake_for_keys(self) -> KeySearch:
        """Searches every process of the lake that lives now for the platform's keys."""
        return self._search({child.name: family(child.pid) for child in self.supervisor.children if child.name in LAKE_PROCESSES})

    def search_run_for_keys(self, pid: int) -> KeySearch:
        """Searches the process of a run, which ends with it, and what it started."""
        return self._search({"run": family(pid)})

    def _search(self, processes: dict[str, list[int]]) -> KeySearch:
        """For the platform's two keys and the password of its database."""
        password = urlsplit(self.env["PLATFORM_DATABASE_URL"]).password or ""
        assert password, "without a password there is nothing to keep from the lake"
        needles = {
            "the data key": forms_of(self.data_key),
            "the pseudonym key": forms_of(read_pseudonym_key(self.env)),
            "the database's password": [password.encode()],
        }
        return search_processes(processes, needles, self.env[CONTROL].encode())

    def start_publisher(self) -> None:
        """The relay, and the Firehose that drains the stream into the landing bucket."""
        self.watch_port = free_port()
        watched = {**self.env, "PUBLISHER_METRICS_PORT": str(self.watch_port)}
        self.relay = self.supervisor.start("relay", [BIN / "publisher", "relay"], env=watched)
        hints = ["--interval-seconds", str(FIREHOSE_SECONDS), "--duplicate-every", str(FIREHOSE_DUPLICATE_EVERY)]
        command = [sys.executable, "-m", "demo.firehose", *hints, "--checkpoints", self.folder / "firehose"]
        self.firehose = self.supervisor.start("firehose", command, env=self.env, cwd=ROOT)

    def save_watch(self, moment: str) -> None:
        """Saves what the relay's metrics and health say now, for the leak scan. Raises DemoError where they say nothing."""
        save_watch(self.watch_port, self.folder / "metrics", moment)

    def stop_relay(self) -> None:
        """Ends the relay as an operator would, having sent what it holds. Raises DemoError when it does not end well."""
        if self.relay is not None and (code := self.supervisor.stop(self.relay)) != 0:
            raise DemoError(f"The relay ended with code {code}; its log is logs/relay.log.")
        self.relay = None

    def start_spark(self) -> Child:
        """Begins the Spark server's start; `wait_spark` returns when it answers."""
        port = _checked("SPARK_PORT", "the Spark server") or free_port()
        self.env["SPARK_REMOTE"] = f"sc://{LOOPBACK}:{port}"
        command = [
            sys.executable,
            "-m",
            "resources.spark_server",
            "start",
            "--port",
            str(port),
            "--folder",
            self.folder / "spark",
        ]
        return self.supervisor.start("spark", command, env=self.lake_env, cwd=ROOT)

    def wait_spark(self, child: Child) -> None:
        port = int(self.env["SPARK_REMOTE"].rsplit(":", 1)[1])
        child.wait_ready(lambda: accepts(port), 120)

    def start_code_location(self, *, cadence: str) -> None:
        """The process that holds the definitions, shared by daemon and UI: a daemon that starts its own starts it anew every minute."""
        home = self.folder / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home / "dagster.yaml")
        self.env |= {"DAGSTER_HOME": str(home), "LAKE_CADENCE": cadence}
        port = free_port()
        location = {"host": LOOPBACK, "port": port, "location_name": "lake"}
        self.workspace.write_text(json.dumps({"load_from": [{"grpc_server": location}]}), encoding="utf-8")
        command = [BIN / "dagster", "api", "grpc", "-m", "lake_assets.definitions", "-h", LOOPBACK, "-p", str(port)]
        self.code = self.supervisor.start("code", command, env=self.lake_env, cwd=ROOT)
        self.code_port = port

    def start_dagster(self, *, ui_port: int | None = None) -> None:
        """The daemon (sensors, queue, automation), and the UI where a port is given. The lake's tables must be there."""
        assert self.code is not None
        self.code.wait_ready(lambda: accepts(self.code_port), 120)
        self.supervisor.start("dagster", [BIN / "dagster-daemon", "run", "-w", self.workspace], env=self.lake_env, cwd=ROOT)
        if ui_port is not None:
            command = [BIN / "dagster-webserver", "-w", self.workspace, "-h", LOOPBACK, "-p", str(ui_port)]
            self.supervisor.start("ui", command, env=self.lake_env, cwd=ROOT).wait_ready(lambda: accepts(ui_port), 120)

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace.yaml"

    def start_pages(self, port: int) -> None:
        """Serves the two pages, so that the UI can link to them: a browser opens no file from a page of the network."""
        command = [sys.executable, "-m", "http.server", str(port), "--bind", LOOPBACK, "--directory", self.pages]
        self.supervisor.start("pages", command, env=self.env)
        self.env["PAGES_URL"] = f"http://{LOOPBACK}:{port}"

    @property
    def pages(self) -> Path:
        return STATE / "pages"

    def write_pages(self) -> None:
        """The officer's page and the lineage page."""
        self.pages.mkdir(exist_ok=True)
        self.publisher("contracts", "page", "--output", str(self.pages / "release.html"))
        self._run([sys.executable, "-m", "lake_assets.lineage", "--out", str(self.pages / "lineage.html")])

    def publisher(self, *arguments: str) -> str:
        """Runs a command of the publisher; its output. Raises DemoError with its last line when it fails."""
        return self._run([str(BIN / "publisher"), *arguments])

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, env=self.env, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise DemoError(f"{Path(command[0]).name} {' '.join(command[1:3])} failed: {said[-1] if said else 'it said nothing'}")
        return done.stdout

    def released(self) -> int:
        """Events that the publisher says it sent: the tallies behind its manifests."""
        with psycopg.connect(self.env["PLATFORM_DATABASE_URL"]) as connection:
            row = connection.execute("SELECT coalesce(sum(events), 0)::bigint FROM publisher.tallies").fetchone()
            return int(row[0]) if row else 0

    def sample_memory(self) -> int:
        """Bytes that all processes hold now (proportional shares, so that shared pages count once); keeps the peak."""
        now = 0
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            try:
                memory = process.memory_full_info()
                now += getattr(memory, "pss", 0) or memory.uss
            except psutil.Error:  # ended while we looked
                continue
        self.peak_bytes = max(self.peak_bytes, now)
        return now


def port_of(setting: str) -> int | None:
    """The port that a setting names, or None for any free one. Raises DemoError for something that is no port."""
    text = os.environ.get(setting)
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise DemoError(f"{setting} must be a port number: set {setting}=<1 to 65535>, or leave it out for any free one.")
    return int(text)


def _checked(setting: str, what: str) -> int | None:
    port = port_of(setting)
    return None if port is None else require_free_port(port, what, setting)
