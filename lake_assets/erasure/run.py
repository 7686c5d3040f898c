"""An erasure from who is asked for to the receipt.

Belongs here: the order of the steps, and what each leaves so that a try that died can be done again. Not here: the steps; having the lake to oneself
(`lake_assets/runs.py`); Dagster (assets/erasure.py).

    requests   who, with positions               → ops/erased, from here on no load lets them in
    events     what of bronze is theirs          → ops/adjustments, from here on manifests count without it
    objects    raw objects, quarantine           found again as long as bronze names them
    tables     silver, history, tombstones, then bronze
    gold       built anew
    files      former versions deleted
    proof      everything that lies there searched
    receipt    ops/erasures, and ops/erased says who is done

Each step finds what it did before. After bronze has forgotten a code, it is known by its digest only: so a repeated search takes longer, and finds the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from pyspark.sql import functions as sf

from lake_assets.bronze.erased import CLEANED, DROPPED, REMOVED
from lake_assets.erasure import objects, proof, receipt, requests
from lake_assets.erasure import tables as steps
from lake_assets.erasure.codes import Codes
from lake_assets.erasure.events import Going, came_back, codes_of, find
from lake_assets.erasure.files import LakeFile, lake_files, vacuum
from lake_assets.erasure.receipt import Receipt
from lake_assets.raw import progress
from lake_assets.raw.batches import ERASURES, finished_below
from lake_assets.silver.current import OpenTables
from lake_assets.silver.history import REPLAYED, read_replayed
from publisher.contracts import Contract
from publisher.contracts.lasting import names_of
from resources.errors import ResourceError
from resources.landing import Landing
from resources.spark import spark_errors
from resources.tables import LakeTables

LOOKED = "erase events"
"""The progress up to which batch erase events were carried out."""

LOOKED_AGAIN = "erase events of replays"
"""The progress up to which replay (its generation) they were carried out of batches that were loaded again."""

THREADS = 4
CONTROLS = 2
"""Files of each table that the search must find the codes in, before they go."""

Build = Callable[[], Iterable[str]]
"""Builds gold anew, and says which tables."""

Step = Callable[[str], None]
"""Called before each step with its name: for the log, and for faults in tests."""


class StillThere(ResourceError):
    """The search found an erased code somewhere. The tables are whole, and the request waits on."""

    def __init__(self, erasure: int, hits: Mapping[str, int]) -> None:
        places = ", ".join(f"{place} ({count})" for place, count in sorted(hits.items()))
        super().__init__(
            f"Erasure {erasure} is not proven: erased codes are still in {places}. Probably rows of other persons mention them. "
            "Look which columns of theirs hold codes of persons, and start the erasure again."
        )
        self.hits = dict(hits)


@dataclass(frozen=True)
class Due:
    """What there is to do: erase events are to be carried out up to batch `upto`, and of batches that were loaded again up to generation `replayed`."""

    upto: int
    replayed: int
    named: requests.Pending
    waiting: int
    late: bool
    """Batches have brought events of persons who had been erased: their raw objects must be cleaned, or were by an earlier try."""

    begun: bool
    """An erasure has begun and is not through."""

    def __bool__(self) -> bool:
        return bool(self.named or self.waiting or self.late or self.begun)


def due(tables: LakeTables, contracts: Mapping[str, Contract]) -> Due:
    """Whether anybody waits to be erased. Its cost is that of the batches since the last time."""
    known = progress.find_some(tables, (LOOKED, LOOKED_AGAIN, ERASURES, REPLAYED))
    looked, seen = ((known[name].position or 0) if name in known else 0 for name in (LOOKED, LOOKED_AGAIN))
    upto, replayed = finished_below(tables), read_replayed(known.get(REPLAYED))
    again = [batch for batch, generation in replayed.items() if generation > seen and batch <= looked]
    named = requests.from_events(tables, contracts, looked, upto, again)
    begun, late = _unfinished(known), sf.col("how") == DROPPED
    if begun is not None:
        late = late | ((sf.col("how") == CLEANED) & (sf.col("erasure") == begun.position))
    with spark_errors("looking for late events of erased persons"):
        is_late = not tables.read("ops", "adjustments").where(late).isEmpty()
    return Due(upto, max([seen, *replayed.values()]), named, requests.waiting(tables), is_late, begun is not None)


def erase(
    open_tables: OpenTables,
    lake_uri: str,
    landing: Landing,
    contracts: Mapping[str, Contract],
    build_gold: Build,
    step: Step = lambda _: None,
    released: Iterable[Contract] = (),
) -> Receipt | None:
    """Carries out what waits; None where nothing does. The lake is closed to all others, and no batch is pending.

    `released` are all versions that were ever released: they say which names an entity has had.
    Raises StillThere and SearchIsBlind when it cannot be proven, and whatever fails; repeated, it goes on.
    """
    every = [*contracts.values(), *released]
    names = {entity: names_of(entity, every) for entity in contracts}
    with open_tables("erasure") as tables:
        wanted = due(tables, contracts)
        if not wanted:
            return None
        step("requests")
        number, began = _begin(tables)
        pending = requests.take_up(tables, wanted.named, _last_position(tables, contracts))
        step("events")
        found = _find(open_tables, names, pending) if pending else {}
        pending = requests.note_parts(tables, {c: upto for each in found.values() for c, upto in each.parts.items()}, pending)
        # Whoever was erased before is looked for only where something came of them since: by digests, that takes long.
        codes = codes_of(found, requests.done(tables) | pending if wanted.late else pending, names)
        steps.adjust(tables, found, number)
        _check_sight(tables, lake_uri, found, codes)
        step("objects")
        loaded = {event.object for going in found.values() for event in going.events}
        cleaned = objects.clean(
            tables, landing, codes, loaded, lambda values: steps.remove_from_quarantine(tables, values, number), began
        )
        if wanted.late:
            steps.note_cleaned(tables, number)
        step("silver")
        _from_tables(open_tables, contracts, found, number, step)
        step("gold")
        gold = list(build_gold())
        step("files")
        touched = [("bronze", e) for e in contracts] + [("silver", n) for e in contracts for n in (e, f"{e}_history")]
        touched += [("ops", "tombstones"), ("ops", "quarantine")]
        vacuumed = vacuum(open_tables, lake_uri, number, [*touched, *(("gold", name) for name in gold)])
        step("proof")
        returned = {code for going in found.values() for code in going.returned}
        # Codes of persons who came back stand in what was written of them since.
        back = returned | _came_back(open_tables, names, codes)
        searched = proof.search(lake_files(lake_uri), landing, codes.without(back))
        if searched.hits:
            raise StillThere(number, searched.hits)
        step("receipt")
        asked = [each.what for each in pending.values()]
        told = Receipt(
            erasure=number, people=asked.count(requests.PERSON_ASKED), rows=asked.count(requests.ROW_ASKED),
            events=_count_events(tables, number), returned=len(returned),
            upto_batch=wanted.upto, tables=_removed(open_tables, touched, number),
            objects={"rewritten": sorted(cleaned.rewritten), "removed": sorted(cleaned.removed)},
            objects_rewritten=len(cleaned.rewritten), objects_removed=len(cleaned.removed), versions_removed=cleaned.versions,
            objects_unreadable=cleaned.unreadable, files_vacuumed=vacuumed, files_searched=searched.files,
            bytes_searched=searched.bytes, began_at=began, ended_at=datetime.now(UTC),
        )  # fmt: skip
        receipt.write(tables, told)
        step("settle")
        requests.settle(tables, pending, number)
        through = progress.Progress(LOOKED, wanted.upto, str(number))
        progress.write_all(tables, [through, progress.Progress(LOOKED_AGAIN, wanted.replayed, None)])
        return told


def _unfinished(known: Mapping[str, progress.Progress]) -> progress.Progress | None:
    """The erasure that has begun and did not come to its end; None where there is none."""
    last, through = known.get(ERASURES), known.get(LOOKED)
    return last if last is not None and (through is None or through.note != str(last.position)) else None


def _begin(tables: LakeTables) -> tuple[int, datetime]:
    """The erasure's number, the same in every try, and when the first try began. From here on every load asks who was erased."""
    known = progress.find_some(tables, (LOOKED, ERASURES))
    if (again := _unfinished(known)) is not None:
        return again.position or 1, datetime.fromisoformat(again.note or "")
    number, began = (known[ERASURES].position or 0 if ERASURES in known else 0) + 1, datetime.now(UTC)
    progress.write(tables, ERASURES, position=number, note=began.isoformat())
    return number, began


def _last_position(tables: LakeTables, contracts: Mapping[str, Contract]) -> int:
    with spark_errors("reading how far bronze is"):
        highest = [tables.read("bronze", entity).agg(sf.max("_seq").alias("seq")).collect()[0].seq for entity in contracts]
    return max(filter(None, highest), default=0)


def _find(open_tables: OpenTables, names: Mapping[str, Sequence[str]], pending: requests.Pending) -> dict[str, Going]:
    def one(entity: str) -> tuple[str, Going]:
        with open_tables(f"erasure/find/{entity}") as tables:
            return entity, find(tables, names[entity], pending)

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(one, names))


def _came_back(open_tables: OpenTables, names: Mapping[str, Sequence[str]], codes: Codes) -> set[str]:
    """Of those who are looked for by digest; of the others bronze has told it before."""
    if not (codes.persons or codes.rows):
        return set()

    def one(entity: str) -> set[str]:
        with open_tables(f"erasure/back/{entity}") as tables:
            return came_back(tables, names[entity], codes)

    with ThreadPoolExecutor(THREADS) as pool:
        return set().union(*pool.map(one, names))


def _check_sight(tables: LakeTables, lake_uri: str, found: Mapping[str, Going], codes: Codes) -> None:
    """The search must see the codes where bronze says that they are; where an earlier try took them out, the planted controls must do."""
    files = lake_files(lake_uri)
    for entity, going in found.items():
        keys = sorted({event.key for event in going.events if event.key in codes.known or event.subject in codes.known})[
            :CONTROLS
        ]
        if not keys:
            continue
        chosen = tables.spark.createDataFrame([(key,) for key in keys], "_key STRING")
        rows = (
            tables.read("bronze", entity)
            .select("_key", sf.col("_metadata.file_path").alias("path"))
            .join(sf.broadcast(chosen), "_key")
        )
        with spark_errors(f"looking for the files of {entity}"):
            paths = {row.path for row in rows.select("path").distinct().limit(CONTROLS).collect()}
        names = [f"bronze/{entity}/{path.rsplit('/', 1)[1]}" for path in paths]
        bodies = [(name, files.read(LakeFile(name, 0)) or b"") for name in names]
        proof.check_seen(f"bronze/{entity}", bodies, codes)


def _from_tables(
    open_tables: OpenTables, contracts: Mapping[str, Contract], found: Mapping[str, Going], number: int, step: Step
) -> None:
    theirs = {entity: going for entity, going in found.items() if going.events}

    def silver(entity: str) -> None:
        with open_tables(f"erasure/{number}/silver/{entity}") as tables:
            steps.remove_from_silver(tables, contracts[entity], theirs[entity], number)

    def bronze(entity: str) -> None:
        with open_tables(f"erasure/{number}/bronze/{entity}") as tables:
            steps.remove_from_bronze(tables, entity, theirs[entity], number)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(silver, theirs))
        step("tombstones")
        with open_tables(f"erasure/{number}/tombstones") as tables:
            steps.remove_tombstones(tables, theirs, number)
        step("bronze")
        list(pool.map(bronze, theirs))


def _removed(open_tables: OpenTables, touched: Iterable[tuple[str, str]], number: int) -> dict[str, tuple[int, int]]:
    def one(table: tuple[str, str]) -> tuple[str, tuple[int, int]]:
        layer, name = table
        with open_tables(f"erasure/{number}/removed/{layer}/{name}") as tables:
            return f"{layer}/{name}", steps.removed(tables, layer, name, number)

    with ThreadPoolExecutor(THREADS) as pool:
        return {name: found for name, found in pool.map(one, touched) if found[0]}


def _count_events(tables: LakeTables, number: int) -> int:
    with spark_errors("counting the adjustments"):
        return tables.read("ops", "adjustments").where((sf.col("erasure") == number) & (sf.col("how") == REMOVED)).count()
