"""No statement of a hand-out goes through what has ended: SQLite, which has no statistics, plans it so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select, func, select

from penstock.database.migrate import migrate
from penstock.database.sqlite import make_engine
from penstock.tasks import leases, lines
from penstock.tasks.tables import LIVE, attempts

LIVE_ONLY = "attempts USING INDEX ix_attempts_live"
STATEMENTS = {
    "what a site holds": (leases._HELD, LIVE_ONLY),
    "what owners hold": (lines._HELD, LIVE_ONLY),
    "the first lease to expire": (select(func.min(attempts.c.lease_until_us)).where(LIVE), LIVE_ONLY),
    "lines that wait": (lines._WAITING, "tasks USING INDEX ix_tasks_queued"),
    "the first of a line": (lines._FIRST, "tasks USING INDEX ix_tasks_queued"),
}


@pytest.mark.parametrize("what", STATEMENTS)
def test_a_statement_starts_at_what_is_live(tmp_path: Path, what: str) -> None:
    statement, wanted = STATEMENTS[what]
    plan = _plan(f"sqlite:///{tmp_path / 'penstock.db'}", statement)
    assert any(wanted in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN tasks") or "USE TEMP B-TREE" in step], plan


def _plan(url: str, statement: Select[Any]) -> list[str]:
    migrate(url)
    engine = make_engine(url)
    words = str(statement.compile(engine))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", tuple("1" for _ in range(words.count("?"))))
        plan = [row[3] for row in rows]
    engine.dispose()
    return plan
