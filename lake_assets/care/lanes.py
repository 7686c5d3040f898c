"""Which tables are cared for together: those that the runs of one lane write.

Belongs here: the lists. Not here: which of them need anything (look.py).

OPTIMIZE beside a MERGE or a replacing write into the same table fails one of the two; beside an append neither. So a lane's tables are compacted while no run of that
lane is at work, and the lanes need not wait for each other. Two tables are written by several lanes, `ops/checkpoints` and `ops/completeness`: all of them append.

Left out: `ops/progress`, whose writes replace a file each, and gold, whose refreshes replace the whole table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lake_assets.gold.model import GoldTable
from lake_assets.gold.refreshes import memory
from lake_assets.raw.lake import OPS
from lake_assets.replay.lanes import gold_tables, history_tables
from resources.delta_log import Table

INGEST, HISTORY, GOLD = "ingest", "history", "gold"
LANES = (INGEST, HISTORY, GOLD)
"""Their names are those of the pools that their runs take."""


def lanes(entities: Iterable[str], gold: Mapping[str, GoldTable]) -> dict[str, list[Table]]:
    """The tables to compact, by lane."""
    entities = list(entities)
    current = [(layer, entity) for layer in ("bronze", "silver") for entity in entities]
    return {
        INGEST: [*current, *((table.layer, table.name) for table in OPS)],
        HISTORY: history_tables(entities),
        GOLD: [memory(table) for table in gold.values() if table.header.smallest_cell],
    }


def every_table(entities: Iterable[str], gold: Mapping[str, GoldTable]) -> list[Table]:
    """All tables of the lake: those to vacuum."""
    return [*(table for found in lanes(entities, gold).values() for table in found), ("ops", "progress"), *gold_tables(gold)]
