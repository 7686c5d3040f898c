"""A scan of folders: it finds what is planted, proves itself, and says nothing that it searched for."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from demo.leakscan import Needles, ScanReport, decode, scan, search
from demo.leakscan.__main__ import main
from demo.leakscan.errors import LeakScanError
from demo.leakscan.sources import FilesSource, Source

NAME = "Jane Q. Smith-Jones"
EMAIL = "jane.smith.tok42@example.com"
PHONE = "07700 900123 x4567"
BODY = "I lost my job on Monday and cannot pay until next month, sorry. My reference is TOK42."
VALUES = [("customers.full_name", NAME), ("customers.email", EMAIL), ("customers.phone", PHONE), ("messages.body", BODY)]


def scanned(folder: Path, processes: int = 1) -> ScanReport:
    return scan([FilesSource("files", folder)], Needles.of(VALUES), processes=processes)


def parquet(value: str, codec: str) -> bytes:
    buffer = io.BytesIO()
    columns = {"name": ["aaa", *[f"name {number % 9}" for number in range(5000)], value, "zzz"]}
    pq.write_table(pa.table(columns), buffer, compression=codec)
    return buffer.getvalue()


def sqlite(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "event_log.db")) as connection:
        connection.execute("CREATE TABLE event_logs (event TEXT)")
        connection.execute("INSERT INTO event_logs VALUES (?)", (json.dumps({"message": json.dumps(f"bad value {NAME!r}")}),))
        connection.commit()


def delta_log(folder: Path) -> None:
    statistics = json.dumps({"numRecords": 5, "minValues": {"body": BODY[:32]}, "maxValues": {"body": "z"}})
    (folder / "_delta_log").mkdir()
    line = json.dumps({"add": {"path": "part-0.parquet", "stats": statistics}})
    (folder / "_delta_log" / "00000000000000000007.json").write_text(line)


LEAKS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "snappy dictionary pages": (
        lambda f: (f / "p").write_bytes(parquet(NAME, "snappy")),
        "customers.full_name",
        "Parquet values",
    ),
    "zstd dictionary pages": (lambda f: (f / "p").write_bytes(parquet(EMAIL, "zstd")), "customers.email", "Parquet values"),
    "a smallest value": (lambda f: (f / "p").write_bytes(parquet("\x01" + PHONE, "zstd")), "customers.phone", "Parquet footer"),
    "gzip": (lambda f: (f / "x.gz").write_bytes(gzip.compress(json.dumps({"email": EMAIL}).encode())), "customers.email", "gzip"),
    "a Delta log's statistic": (delta_log, "messages.body", "bytes"),
    "sqlite": (sqlite, "customers.full_name", "SQLite columns"),
    "a log, by the local part": (lambda f: (f / "a.log").write_text("user jane.smith.tok42 failed"), "customers.email", "bytes"),
    "a log, by the digits": (lambda f: (f / "a.log").write_text('{"to":447700900123456' + "7}"), "customers.phone", "bytes"),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found_and_the_report_holds_no_value(leak: str, tmp_path: Path) -> None:
    plant, column, facet = LEAKS[leak]
    plant(tmp_path)
    report = scanned(tmp_path)
    assert (column, facet) in {(hit.columns, hit.facet) for hit in report.found}
    assert report.exit_code == 1
    assert not report.incomplete
    told = "\n".join(report.lines()) + json.dumps(report.as_json()) + report.summary()
    for part in (NAME, EMAIL, "jane.smith", "4567", BODY[:20], "TOK42"):
        assert part.lower() not in told.lower()


def test_a_name_that_holds_a_value_is_found_and_not_shown(tmp_path: Path) -> None:
    folder = tmp_path / f"name={quote_plus(NAME)}"
    folder.mkdir()
    (folder / "part").write_text(EMAIL)
    report = scanned(tmp_path)
    assert {(hit.columns, hit.facet, hit.form) for hit in report.found} == {
        ("customers.full_name", "name", "URL-encoded"),
        ("customers.email", "bytes", "plain"),
        ("customers.email", "bytes", "plain, local part"),
    }
    told = "\n".join(report.lines()) + json.dumps(report.as_json())
    assert "Smith" not in told
    assert "SHA-256" in told


def test_nothing_found_passes_in_other_processes_as_well(tmp_path: Path) -> None:
    (tmp_path / "clean.log").write_text("nothing of anybody")
    for processes in (1, 2):
        report = scanned(tmp_path, processes)
        assert (report.hits, report.exit_code, report.ok, report.objects["files"]) == (0, 0, True, 1)
        assert sum(report.controls.values()) > 100


def test_a_leak_is_found_in_another_process(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(NAME)
    assert [hit.columns for hit in scanned(tmp_path, 2).found] == ["customers.full_name"]


def blind(*_: object) -> Iterator[bytes]:
    yield from ()


@pytest.mark.parametrize(
    ("module", "reader", "missed"),
    [
        (decode, "gunzipped", "files, gzip: plain"),
        (decode, "value_texts", "files, Parquet values: plain"),
        (decode, "footer_texts", "files, Parquet footer: plain"),
        (search, "base64_decoded", "files, bytes: base64, 1 bytes into a group"),
        (search, "hex_decoded", "files, bytes: hexadecimal digits"),
        (search, "unescaped", "files, bytes: JSON within JSON"),
        (search, "url_decoded", "files, bytes: URL-encoded as a form"),
    ],
)
def test_a_reader_that_sees_nothing_fails_the_scan_by_name(
    module: object, reader: str, missed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        module,
        reader,
        blind if reader in ("gunzipped", "value_texts", "footer_texts", "base64_decoded", "hex_decoded") else bytes,
    )
    report = scanned(tmp_path)
    assert missed in report.missed
    assert report.exit_code == 2
    assert f"The scan proves nothing: the control was not found: {missed}" in "\n".join(report.lines()) or len(report.missed) > 20


def test_a_reader_of_databases_that_sees_nothing_fails_the_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.leakscan.sources.files.file_texts", blind)
    assert "files, SQLite columns: plain" in scanned(tmp_path).missed


def test_a_place_that_cannot_be_read_fails_the_scan(tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(parquet("nobody at all", "zstd")[:-50] + b"PAR1")
    report = scanned(tmp_path)
    assert report.exit_code == 2
    assert [line for line in report.unread if "broken.parquet" in line]


@dataclass(frozen=True)
class Silent:
    """A source whose items have a facet for which it plants nothing."""

    name: str = "silent"
    facet_names: tuple[str, ...] = ()
    source: str = "silent"
    place: str = "somewhere"
    size: int = 1
    planted: bool = False

    def items(self) -> list[Silent]:
        return [self]

    def facets(self) -> Iterator[decode.Facet]:
        yield decode.Facet("new format", [b"text"])

    @contextmanager
    def plant(self, documents: object) -> Iterator[list[Source]]:
        yield []


def test_a_place_without_controls_fails_the_scan() -> None:
    report = scan([Silent()], Needles.of(VALUES), processes=1)
    assert (report.exit_code, report.incomplete) == (2, ["no control proves the search of silent: new format"])


class Deadly(Silent):
    """Reading it ends the process."""

    def facets(self) -> Iterator[decode.Facet]:
        os._exit(9)


def test_a_process_that_is_ended_from_outside_gets_a_sentence() -> None:
    with pytest.raises(LeakScanError, match="fewer processes"):
        scan([Deadly()], Needles.of(VALUES), processes=2)


def test_no_value_to_search_for_fails_the_scan(tmp_path: Path) -> None:
    report = scan([FilesSource("files", tmp_path)], Needles.of([]), processes=1)
    assert (report.exit_code, report.incomplete) == (2, ["no value was searched for"])


def test_a_sensitive_column_of_which_nothing_can_be_searched_for_fails_the_scan(tmp_path: Path) -> None:
    incomes = [("plans.monthly_income", "185000"), ("plans.monthly_income", "200")]
    required = ["customers.email", "plans.monthly_income"]
    report = scan([FilesSource("files", tmp_path)], Needles.of([*VALUES, *incomes], required=required), processes=1)
    said = "no value of plans.monthly_income can be searched for: plant one that can (demo/platform/canaries.py)"
    assert (report.exit_code, report.incomplete) == (2, [said])
    incomes.append(("plans.monthly_income", "-914273615048"))
    assert scan([FilesSource("files", tmp_path)], Needles.of([*VALUES, *incomes], required=required), processes=1).ok
    (tmp_path / "a.log").write_text('{"max": {"income": -914273615048}}')
    leaked = scan([FilesSource("files", tmp_path)], Needles.of([*VALUES, *incomes], required=required), processes=1)
    assert {hit.columns for hit in leaked.found} == {"plans.monthly_income"}


def test_what_is_left_out_stands_in_the_report(tmp_path: Path) -> None:
    needles = Needles.of([*VALUES, ("plans.monthly_income", "185000"), ("plans.monthly_income", "200")])
    report = scan([FilesSource("files", tmp_path)], needles, processes=1)
    assert report.as_json()["needles"]["left_out"] == [
        {"column": "plans.monthly_income", "reason": "a number of few digits", "values": 2}
    ]
    assert "2  plans.monthly_income: a number of few digits" in "\n".join(report.lines())


def test_links_are_not_followed_and_progress_is_told(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.write_text(NAME)
    (inside / "link").symlink_to(outside)
    told: list[tuple[str, int, int]] = []
    report = scan(
        [FilesSource("files", inside)],
        Needles.of(VALUES),
        processes=1,
        progress=lambda what, done, total: told.append((what, done, total)),
    )
    assert report.ok
    assert told[-1][1] == told[-1][2] > 20


@pytest.mark.parametrize(("text", "code"), [("nothing", 0), (NAME, 1)])
def test_the_command_ends_with_0_or_1(text: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "searched"
    folder.mkdir()
    (folder / "a.log").write_text(text)
    (tmp_path / "needles").write_text("".join(json.dumps(pair) + "\n" for pair in VALUES))
    arguments = ["--folder", str(folder), "--needles", str(tmp_path / "needles"), "--processes", "1"]
    assert main([*arguments, "--json", str(tmp_path / "report.json")]) == code
    assert f"leaks: {code}" in capsys.readouterr().out
    assert json.loads((tmp_path / "report.json").read_text())["leaks"] == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folder", "."], "--folder needs --needles"),
        (["--folder", "nowhere", "--needles", "needles"], "nowhere is no folder"),
        (["--folder", ".", "--needles", "needles"], "line 2 of the needles is not [column, value] in JSON"),
        ([], "AWS_ENDPOINT_URL is not set"),
    ],
)
def test_a_mistake_gets_one_sentence_and_2(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    (tmp_path / "needles").write_text(f'["a.b", "x"]\n{NAME}\n')
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Smith" not in error
