"""`.ci/run` runs everything or fails: a browser that cannot be had is not a reason to skip tests in silence."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
INSTALLS = '[ "$1" = update ] || { printf "#!/bin/sh\\n" > "$BIN/chromium"; chmod +x "$BIN/chromium"; }'


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs it with nothing on the path but what a machine is said to have; `make` only says what it would make."""

    def script(name: str, body: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)

    def ran(uid: int = 0, **commands: str) -> subprocess.CompletedProcess[str]:
        for name in ("bash", "env", "dirname", "chmod"):
            (tmp_path / name).symlink_to(str(shutil.which(name)))
        for name, body in {"make": "echo make $1", "id": f"echo {uid}", **commands}.items():
            script(name.replace("_", "-"), body)
        env = {"PATH": str(tmp_path), "BIN": str(tmp_path)}
        return subprocess.run([ROOT / ".ci" / "run"], env=env, capture_output=True, text=True, check=False)

    return ran


@pytest.mark.parametrize(
    ("uid", "commands"),
    [
        (1000, {"chromium": "exit 0"}),
        (1000, {"google_chrome": "exit 0", "apt_get": "exit 100"}),
        (0, {"chromium": "exit 0", "apt_get": "exit 100"}),
        (0, {"apt_get": INSTALLS}),
    ],
    ids=["no apt-get, no root", "no root", "no need to install", "installed now"],
)
def test_with_a_browser_it_tests_and_checks(run: Run, uid: int, commands: dict[str, str]) -> None:
    done = run(uid, **commands)
    assert (done.returncode, done.stdout) == (0, "make test\nmake check\n")


@pytest.mark.parametrize(
    ("uid", "commands"),
    [
        (0, {"apt_get": "echo it cannot be fetched >&2; exit 100"}),
        (0, {"apt_get": "exit 0"}),
        (1000, {"apt_get": INSTALLS}),
        (0, {}),
    ],
    ids=["apt-get fails", "apt-get lies", "no root", "no apt-get"],
)
def test_without_one_it_fails_and_says_why(run: Run, uid: int, commands: dict[str, str]) -> None:
    done = run(uid, **commands)
    assert done.returncode
    assert done.stdout == ""
    assert "it cannot be fetched" in done.stderr or "install Debian's package chromium" in done.stderr
