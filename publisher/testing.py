"""For a platform's own tests: a migration that breaks a contract fails there, and not in production.

Belongs here: assertions over a database that the platform's migrations made. Not here: judging (capture/), a sink for tests (sinks/memory.py).

    def test_contracts_fit(connection):  # a session of psycopg, SQLAlchemy or Django on the migrated test database
        assert_contracts_fit(connection, "contracts")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from publisher.borrowed import borrowed
from publisher.capture.check import misfits
from publisher.contracts import load_contracts
from publisher.database import translate


def assert_contracts_fit(connection: Any, contracts_dir: str | Path = "contracts") -> None:
    """Fails with a sentence for each table and column that the contracts read and the database lacks, or has otherwise.

    `connection` is a session of psycopg 3, SQLAlchemy or Django, or a `postgresql://` URL. Nothing is changed, and nothing of ours need be installed. Raises
    ContractError for contracts that cannot be used, SettingsError for a session of another driver.
    """
    __tracebackhide__ = True
    contracts = load_contracts(Path(contracts_dir))
    with borrowed(connection) as session:
        try:
            found = sorted(misfits(session, contracts))
        except psycopg.Error as error:
            raise translate(error, "contracts fit") from None
    if found:
        raise AssertionError("the database does not fit the release contracts:\n" + "\n".join(f"  {each}" for each in found))
