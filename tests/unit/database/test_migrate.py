"""Migrations make the schema that the code speaks of, once, with a backup before a change."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

import penstock.app  # noqa: F401 - loads every table
from penstock.database import migrate as module
from penstock.database.migrate import migrate
from penstock.database.sqlite import make_engine
from penstock.database.tables import metadata


def test_the_migrated_schema_is_that_of_the_code(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_second_run_changes_nothing_and_makes_no_copy(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    before = (tmp_path / "x.db").read_bytes()
    migrate(url)
    assert (tmp_path / "x.db").read_bytes() == before
    assert [path.name for path in tmp_path.glob("*before*")] == []


def test_a_backup_holds_what_was_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    newest = ScriptDirectory.from_config(module._config()).get_current_head()
    assert newest is not None
    module._back_up(url, newest)
    engine = make_engine(f"{url}.before-{newest}")
    with engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_revision() == newest
    engine.dispose()


def test_a_downgrade_leaves_an_empty_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    migrate(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        config = module._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    engine.dispose()
