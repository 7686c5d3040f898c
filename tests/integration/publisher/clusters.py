"""Copies of a whole PostgreSQL cluster: by base backup, as a standby, as a copy of the disk.

Belongs here: making and starting them. Not here: what the publisher does there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from demo.cloud.postgres import Postgres, _binaries, _unprivileged_user
from demo.processes import as_user, temporary_folder


class Clusters:
    """Clusters of one test, in folders that go with it."""

    def __init__(self) -> None:
        self._running: list[Postgres] = []

    def first(self) -> Postgres:
        """An empty one."""
        return self._start(temporary_folder("test-cluster"))

    def base_backup(self, of: Postgres, *, standby: bool = False) -> Postgres:
        """As `pg_basebackup` makes it of a running one, and starts without being promoted; or a standby that follows it."""
        folder, server = temporary_folder("test-cluster"), urlsplit(of.url())
        user = _unprivileged_user()
        data = self._empty(folder, user, of)
        command = [str(_binaries(user) / "pg_basebackup"), "-D", str(data), "-X", "stream", "--checkpoint=fast", "--no-sync"]
        command += ["-h", str(server.hostname), "-p", str(server.port), "-U", str(server.username), *(["-R"] if standby else [])]
        environment = {**os.environ, "PGPASSWORD": of.password}
        subprocess.run(command, check=True, capture_output=True, env=environment, cwd=folder, **as_user(user))
        return self._start(folder)

    def disk_copy(self, of: Postgres) -> Postgres:
        """The files of a stopped one, as a snapshot of the disk would have them. `of` is started again by `again`."""
        folder, user = temporary_folder("test-cluster"), _unprivileged_user()
        of.stop()
        data = self._empty(folder, user, of)
        shutil.copytree(of.folder / "data", data, dirs_exist_ok=True)
        for path in (data, *data.rglob("*")):
            if user is not None:
                os.chown(path, user, -1)
        return self._start(folder)

    def again(self, of: Postgres) -> Postgres:
        """Starts a stopped one."""
        return self._start(of.folder)

    def promote(self, standby: Postgres) -> None:
        """A failover: the standby becomes the primary, with a new timeline."""
        user = _unprivileged_user()
        command = [str(_binaries(user) / "pg_ctl"), "promote", "-w", "-D", str(standby.folder / "data")]
        subprocess.run(command, check=True, capture_output=True, cwd=standby.folder, **as_user(user))

    def stop(self) -> None:
        for server in self._running:
            server.stop()

    def _start(self, folder: Path) -> Postgres:
        server = Postgres.start(folder, durable=False)
        self._running.append(server)
        return server

    @staticmethod
    def _empty(folder: Path, user: int | None, of: Postgres) -> Path:
        data = folder / "data"
        data.mkdir(mode=0o700)
        (folder / "password").write_text(of.password + "\n")
        if user is not None:
            os.chown(data, user, -1)
        return data
