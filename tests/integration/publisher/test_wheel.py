"""The publisher's wheel works alone: nothing of the lake, no Dagster, no Spark, no pandas.

Offline: its dependencies are those that its own metadata names, taken from this environment, and nothing else of it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
UNWANTED = {
    "dagster",
    "dagster-aws",
    "dagster-pyspark",
    "pyspark",
    "delta-spark",
    "pandas",
    "pyarrow",
    "numpy",
    "sqlalchemy",
    "pushlake",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release would build it."""
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=ROOT / "publisher",
        check=True,
        capture_output=True,
    )
    (built,) = out.glob("*.whl")
    return built


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", requirement).lower()


def requirements(lines: list[str], extras: set[str]) -> list[Requirement]:
    """Those that apply to this Python and these extras."""
    parsed = [Requirement(line) for line in lines]
    return [r for r in parsed if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in extras or {""})]


def closure(wheel: Path) -> set[str]:
    """The names of all distributions that the wheel pulls in, by its metadata and theirs."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        own = metadata.PathDistribution(zipfile.Path(archive, name.removesuffix("METADATA")))
        waiting = requirements(list(own.requires or []), set())
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = name_of(requirement.name)
        if name in seen and not requirement.extras:
            continue
        seen.add(name)
        waiting += requirements(list(metadata.distribution(name).requires or []), set(requirement.extras))
    return seen


def test_the_closure_of_its_dependencies_is_small(wheel: Path) -> None:
    pulled = closure(wheel)
    assert {"boto3", "psycopg", "psycopg-binary", "cryptography"} <= pulled
    assert not pulled & UNWANTED
    assert not [name for name in pulled if name.startswith(("dagster", "pyspark"))]


def test_the_wheel_holds_the_publisher_only(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"publisher", "pushlake_publisher"}
    assert not [name for name in names if name.endswith(".pyc") or "pyproject" in name]
    assert any(name.endswith("entry_points.txt") for name in names)


def test_it_works_with_nothing_but_its_closure(wheel: Path, tmp_path: Path) -> None:
    """An interpreter without site-packages, which sees the wheel and the files of the closure's distributions."""
    site = tmp_path / "site"
    site.mkdir()
    for name in closure(wheel):
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or [] if file.parts[0] not in ("..", "__pycache__")}:
            link, target = site / top, Path(str(distribution.locate_file(top)))
            if target.exists() and not link.exists():
                link.symlink_to(target)
    code = (
        f"import sys; sys.path[:0] = [{str(wheel)!r}, {str(site)!r}]\n"
        "import publisher.cli, publisher.relay, publisher.sinks, publisher.backfill\n"
        "unwanted = sorted(m for m in sys.modules if m.split('.')[0] in ('dagster', 'pyspark', 'pandas', 'lake_assets', 'resources', 'demo'))\n"
        "assert not unwanted, unwanted\n"
        "sys.argv = ['publisher', 'contracts', 'check']; publisher.cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"CONTRACTS_DIR": str(ROOT / "contracts")},
    )
    assert done.returncode == 0, done.stderr
    assert "nothing is wrong" in done.stdout
