"""Lists: the same as a simple model finds, and no more work with more tasks in the store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from penstock.database.migrate import migrate
from penstock.database.sqlite import make_engine
from penstock.names import new_id
from penstock.tasks import listing
from penstock.tasks.listing import Filter
from penstock.tasks.models import State
from penstock.tasks.tables import tags, tasks

STATES = [State.QUEUED, State.COMPLETE, State.CANCELED]
NAMES = ["", "align", "align[a]", "aligm", "b", "übung", "z\U0010ffff", "z\U0010ffffa", "\ud7ff", "\ue000"]
KEYS, VALUES = ["run", "rule"], ["", "1", "2"]


def _row(number: int, **changes: object) -> dict[str, object]:
    plain = {
        "id": new_id(number),
        "owner": "ada",
        "kind": "process",
        "name": "",
        "rule": "",
        "state": "COMPLETE",
        "reason": "",
        "line": "ada",
        "priority": 0,
        "cpu_cores": 1.0,
        "ram_gb": 1.0,
        "disk_gb": 0.0,
        "attempt": 0,
        "not_before_us": 0,
        "sequence": 0,
        "created_us": number,
        "spec": "{}",
        "terms": "{}",
    }
    return plain | changes


def _fill(connection: Connection, rows: list[dict[str, object]], pairs: list[dict[str, object]]) -> None:
    connection.execute(tasks.delete())
    if rows:
        connection.execute(insert(tasks), rows)
    if pairs:
        connection.execute(insert(tags), pairs)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    """A database whose changes are never committed."""
    url = f"sqlite:///{tmp_path / 'penstock.db'}"
    migrate(url)
    engine = make_engine(url)
    with engine.connect() as one:
        one.exec_driver_sql("BEGIN")
        yield one
        one.rollback()
    engine.dispose()


Stored = tuple[str, str, State, dict[str, str]]
STORED = st.tuples(
    st.sampled_from(["ada", "bob"]),
    st.sampled_from(NAMES),
    st.sampled_from(STATES),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES)),
)
FILTERS = st.builds(
    Filter,
    owner=st.just("ada"),
    state=st.none() | st.sampled_from(STATES),
    name_prefix=st.sampled_from(["", "a", "align", "ü", "z", "z\U0010ffff", "\ud7ff", "nothing"]),
    tags=st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)), max_size=2).map(tuple),
    limit=st.integers(1, 5),
)


def _matches(wanted: Filter, stored: Stored) -> bool:
    owner, name, state, tagged = stored
    return (
        owner == wanted.owner
        and (wanted.state is None or state is wanted.state)
        and name.startswith(wanted.name_prefix)
        and all(key in tagged and value in ("", tagged[key]) for key, value in wanted.tags)
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stored=st.lists(STORED, max_size=20), wanted=FILTERS)
def test_pages_are_what_a_simple_model_finds(
    connection: Connection, stored: list[Stored], wanted: Filter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FIRST_LOOK", 1)  # so that few tasks make every index look several times
    rows = [_row(n, owner=o, name=name, state=state.value) for n, (o, name, state, _) in enumerate(stored)]
    pairs = [
        {"task": row["id"], "owner": row["owner"], "key": key, "value": value}
        for row, (*_, tagged) in zip(rows, stored, strict=True)
        for key, value in tagged.items()
    ]
    _fill(connection, rows, pairs)
    expected = [row["id"] for row, one in zip(rows, stored, strict=True) if _matches(wanted, one)][::-1]
    found: list[str] = []
    while page := listing.page(connection, replace(wanted, before=found[-1] if found else None)):
        assert len(page) <= wanted.limit
        found += page
    assert found == expected


def _many(connection: Connection, count: int) -> None:
    """``count`` finished tasks, and at the very bottom of the pile one that differs in everything."""
    rows = [_row(0, state="CANCELED", name="rare")]
    rows += [_row(n, name=f"common-{n % 7}") for n in range(1, count)]
    pairs = [{"task": row["id"], "owner": "ada", "key": "run", "value": str(row["name"])} for row in rows]
    _fill(connection, rows, pairs)


def _steps(connection: Connection, wanted: Filter) -> tuple[int, int]:
    """How many instructions SQLite's machine executes for a page, and how many tasks it has found."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    with contextlib.ExitStack() as stack:
        raw.set_progress_handler(step, 1)
        stack.callback(raw.set_progress_handler, None, 0)
        return len(listing.page(connection, wanted)), count


@pytest.mark.parametrize(
    ("wanted", "hits"),
    [
        (Filter("ada"), 10),
        (Filter("nobody"), 0),
        (Filter("ada", State.COMPLETE), 10),
        (Filter("ada", State.CANCELED), 1),
        (Filter("ada", State.RUNNING), 0),
        (Filter("ada", name_prefix="common"), 10),
        (Filter("ada", name_prefix="rare"), 1),
        (Filter("ada", name_prefix="nothing"), 0),
        (Filter("ada", tags=(("run", "common-1"),)), 10),
        (Filter("ada", tags=(("run", ""),)), 10),
        (Filter("ada", tags=(("run", "rare"),)), 1),
        (Filter("ada", tags=(("run", "none"),)), 0),
        (Filter("ada", State.COMPLETE, "rare"), 0),
        (Filter("ada", State.CANCELED, "common"), 0),
        (Filter("ada", State.COMPLETE, tags=(("run", "rare"),)), 0),
        (Filter("ada", State.CANCELED, tags=(("run", ""),)), 1),
        (Filter("ada", tags=(("run", ""), ("run", "rare"))), 1),
        (Filter("ada", State.COMPLETE, "common", (("run", "common-1"),)), 10),
    ],
)
def test_a_page_costs_the_same_however_many_tasks_are_stored(
    connection: Connection, wanted: Filter, hits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FIRST_LOOK", 32)
    wanted = replace(wanted, limit=10)
    _many(connection, 1_000)
    found, few = _steps(connection, wanted)
    assert found == hits
    _many(connection, 4_000)
    assert _steps(connection, wanted)[1] <= few * 1.1
