"""Capture as a part of the platform's migrations, for those who use Alembic: `pip install pushlake-publisher[alembic]`.

Belongs here: Alembic's operations, and all that imports Alembic. Not here: installing (capture/).

    import publisher.alembic  # registers the two operations

    def upgrade() -> None:
        op.publisher_install("contracts/at_this_revision")

    def downgrade() -> None:
        op.publisher_uninstall()

A migration is run again years later, on an empty database, and the contracts have changed since: so a migration names contracts that stay as they are. Or env.py calls
`install_at_head` after `context.run_migrations()`: then the contracts of the deployment are installed whenever the schema is at its head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.operations import MigrateOperation, Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection as SqlAlchemyConnection

from publisher.borrowed import borrowed
from publisher.capture import install
from publisher.capture.install import Installed
from publisher.capture.uninstall import uninstall
from publisher.contracts import load_contracts
from publisher.database import Connection
from publisher.errors import SettingsError


@Operations.register_operation("publisher_install")
class InstallOp(MigrateOperation):
    """`op.publisher_install(contracts_dir)`."""

    def __init__(self, contracts_dir: str | Path) -> None:
        self.contracts_dir = Path(contracts_dir)

    @classmethod
    def publisher_install(cls, operations: Operations, contracts_dir: str | Path = "contracts") -> None:
        """Writes schema and triggers within the migration's transaction. Rows from before are due for `publisher backfill`."""
        operations.invoke(cls(contracts_dir))

    def reverse(self) -> MigrateOperation:
        """What a downgrade does."""
        return UninstallOp(drop_schema=False)


@Operations.register_operation("publisher_uninstall")
class UninstallOp(MigrateOperation):
    """`op.publisher_uninstall()`."""

    def __init__(self, drop_schema: bool) -> None:
        self.drop_schema = drop_schema

    @classmethod
    def publisher_uninstall(cls, operations: Operations, drop_schema: bool = False) -> None:
        """Drops the triggers; with `drop_schema` also the outbox, which must be empty."""
        operations.invoke(cls(drop_schema))


@Operations.implementation_for(InstallOp)
def _install(operations: Operations, operation: InstallOp) -> None:
    contracts = load_contracts(operation.contracts_dir)
    with _migrating(operations.migration_context) as connection:
        install(connection, contracts)


@Operations.implementation_for(UninstallOp)
def _uninstall(operations: Operations, operation: UninstallOp) -> None:
    with _migrating(operations.migration_context) as connection:
        uninstall(connection, drop_schema=operation.drop_schema)


def install_at_head(
    context: MigrationContext, script: ScriptDirectory, contracts_dir: str | Path = "contracts"
) -> Installed | None:
    """For env.py, after `run_migrations`: installs if the database is at the head of its migrations now. None where it is not."""
    if set(context.get_current_heads()) != set(script.get_heads()):
        return None
    contracts = load_contracts(Path(contracts_dir))
    with _migrating(context) as connection:
        return install(connection, contracts)


@contextmanager
def _migrating(context: MigrationContext) -> Iterator[Connection]:
    """The migration's own session, in its transaction, with its timeouts as they were afterwards. Raises SettingsError for a migration that only prints SQL."""
    bind: SqlAlchemyConnection | None = None if context.as_sql else context.connection
    if bind is None:
        raise SettingsError(
            "the publisher reads the database that it installs into, so it cannot be installed with --sql: leave it out there"
        )
    bind.exec_driver_sql("SELECT 1")  # psycopg would commit a transaction that it had to begin itself
    with borrowed(bind.connection) as connection:
        before = connection.execute(SETTINGS).fetchall()
        yield connection
        for name, value in before:
            connection.execute("SELECT set_config(%s, %s, true)", [name, value])


SETTINGS = """
SELECT name, current_setting(name) FROM pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'client_min_messages')
"""
