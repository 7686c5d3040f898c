"""The platform's schema over time, and `migrate`, which brings a database up to date.

Belongs here: Alembic's environment and revisions (versions/). Not here: the models, which a test compares with the outcome.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, pool


def migrate(url: str, revision: str = "head") -> None:
    """Upgrades the database at a `postgresql://` URL to `revision`; does nothing if it is there already."""
    engine = create_engine(sqlalchemy_url(url), poolclass=pool.NullPool)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def sqlalchemy_url(url: str) -> str:
    """The URL that names psycopg 3 as SQLAlchemy's driver."""
    scheme, rest = url.split("://", 1)
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else url
