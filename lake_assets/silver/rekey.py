"""A new pseudonym key: silver and history change over to the new codes in one go, when all rows have come under them.

Belongs here: whether silver waits, and the exchange. Not here: how far the new codes have come (completeness/), the platform's side
(publisher/rotation.py).

Codes of two keys do not join. So from the first contract under the new key on, bronze takes what comes and silver stays as it is: whole, and of one key.
When the manifests prove that every entity has come anew, all tables of silver are written from the events of the new key alone, by the one run that
may write them; gold and history wait meanwhile. Repeated after a crash, it writes the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import DataFrame
from pyspark.sql import functions as sf

from lake_assets.raw import progress
from lake_assets.silver.anew import bury_anew, write_anew
from lake_assets.silver.current import OpenTables
from publisher.contracts import Contract
from publisher.wire import EPOCH_BITS
from resources.spark import spark_errors
from resources.tables import LakeTables

NAME = "pseudonym key"
EXCHANGING = "exchanging"
THREADS = 4


def key_of(contracts: Iterable[Contract]) -> int:
    """The version of the key that the contracts name: the same in all of them."""
    return next((contract.key_version for contract in contracts), 1)


def begin_with(tables: LakeTables, contracts: Iterable[Contract], *, new: bool) -> None:
    """A new lake's silver is under the key of its first contracts; one that is older than this note is under the first key."""
    if progress.read(tables, NAME) is None:
        progress.write(tables, NAME, position=key_of(contracts) if new else 1)


def waits(tables: LakeTables, contracts: Iterable[Contract]) -> bool:
    """Whether silver is still under a former key. Free of cost as long as there has been one key only."""
    wanted = key_of(contracts)
    return wanted > 1 and _known(tables) < wanted


def present_key(tables: LakeTables, contracts: Iterable[Contract]) -> int:
    """The version of the key that silver's codes are under now. Free of cost as long as there has been one key only."""
    return 1 if key_of(contracts) == 1 else _known(tables)


def exchanging(tables: LakeTables, contracts: Iterable[Contract]) -> bool:
    """Whether some of silver's tables may be of one key and some of another: a moment, or until the next run where one has died."""
    if key_of(contracts) == 1:
        return False
    known = progress.read(tables, NAME)
    return known is not None and known.note == EXCHANGING


def announce(tables: LakeTables) -> None:
    """Notes that silver is about to be exchanged, so that nobody begins to read it for more. What died is done again, whatever the manifests say by now."""
    progress.write(tables, NAME, position=_known(tables), note=EXCHANGING)


def exchange(open_tables: OpenTables, contracts: Sequence[Contract], upto_batch: int) -> dict[str, int]:
    """Writes silver, history and tombstones from the events of the new key, of batches up to `upto_batch`; the rows of silver, by entity.

    It is announced, and whoever read silver for more has ended. Every batch that silver did without must be among them. Raises SparkFailed.
    """

    def write(contract: Contract) -> tuple[str, int]:
        with open_tables(f"rekey/{contract.entity}/{upto_batch}") as tables:
            return contract.entity, write_anew(tables, contract, _events(tables, contract.entity, first, upto_batch), upto_batch)

    with open_tables(f"rekey/{upto_batch}") as tables:
        first = first_position(tables, key_of(contracts))
        bury_anew(tables, {c.entity: _events(tables, c.entity, first, upto_batch) for c in contracts})
        with ThreadPoolExecutor(THREADS) as pool:
            rows = dict(pool.map(write, contracts))
        progress.write(tables, NAME, position=key_of(contracts))
    return rows


def _events(tables: LakeTables, entity: str, first: int, upto_batch: int) -> DataFrame:
    return tables.read("bronze", entity).where((sf.col("_seq") >= first) & (sf.col("_batch") <= upto_batch))


def first_position(tables: LakeTables, key_version: int) -> int:
    """Where the epoch of the key begins: a key changes with an epoch, and manifests say under which their range was made."""
    with spark_errors("looking for the epoch of the pseudonym key"):
        (row,) = (
            tables.read("ops", "manifests")
            .where(sf.col("key_version") == key_version)
            .agg(sf.min("seq_from").alias("low"))
            .collect()
        )
    if row.low is None:
        raise ValueError(f"no manifest is of pseudonym key {key_version}: the exchange was announced too early")
    return int(row.low >> EPOCH_BITS << EPOCH_BITS)


def _known(tables: LakeTables) -> int:
    known = progress.read(tables, NAME)
    return (known.position or 1) if known else 1
