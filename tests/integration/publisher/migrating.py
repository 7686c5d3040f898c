"""The demo platform's migrations with one more at the end. Belongs here: running them. Not here: assertions."""

from __future__ import annotations

import shutil
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, pool

from demo.platform.migrations import sqlalchemy_url

MIGRATIONS = Path(__file__).parents[3] / "demo" / "platform" / "migrations"
HEADER = """
import publisher.alembic
from alembic import op

revision = "0099"
down_revision = "0003"
branch_labels = None
depends_on = None
"""
AT_HEAD = """
    from alembic.script import ScriptDirectory
    from publisher.alembic import install_at_head
    install_at_head(context.get_context(), ScriptDirectory.from_config(context.config), {contracts!r})
"""


class Migrations:
    """A copy of the demo's, in a folder of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def add(self, upgrade: str, downgrade: str = "pass") -> None:
        """A migration 0099 after the last one."""
        text = f"{HEADER}\ndef upgrade():\n    {upgrade}\n\ndef downgrade():\n    {downgrade}\n"
        (self.folder / "versions" / "0099_another.py").write_text(text)

    def install_at_head(self, contracts: Path) -> None:
        """Lets env.py end with an installation."""
        env = self.folder / "env.py"
        env.write_text(env.read_text() + AT_HEAD.format(contracts=str(contracts)))

    def run(self, way: str = "upgrade", revision: str = "head", sql: bool = False) -> None:
        """`alembic upgrade` or `downgrade`."""
        engine = create_engine(sqlalchemy_url(self.url), poolclass=pool.NullPool)
        config = Config()
        config.set_main_option("script_location", str(self.folder))
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            getattr(command, way)(config, revision, sql=sql)
