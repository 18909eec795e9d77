"""Each rule finds what breaks it, and nothing is found where a store and a workspace agree."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from tests.unit.tasks.conftest import ROOM, Site, site_of

import penstock.app  # noqa: F401 - loads every table
from penstock.consistency import RULES, Finding, check, look, rows_against_rows
from penstock.database.engine import Database
from penstock.names import new_id
from penstock.workloads import store as workloads
from penstock.workloads.accounts import new_account
from penstock.workloads.models import State, Workload


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    return site_of(database, tmp_path)


def _workload(state: State = State.UPLOADING) -> Workload:
    return Workload(
        id=new_id(),
        owner="ada",
        name="",
        pipeline="lines",
        version="1",
        parameters={},
        state=state,
        reason="",
        sequence=1,
        created_us=1,
        updated_us=1,
        expires_us=None,
        inputs=(),
    )


async def _add(database: Database, one: Workload) -> Workload:
    account, _ = new_account(one.id)
    await database.write(lambda c: workloads.add(c, one, account))
    return one


async def _found(database: Database, workspace: Path) -> list[Finding]:
    folders = look(workspace)
    return await database.snapshot(lambda c: check(c, folders, workspace))


async def _break(database: Database, *statements: str) -> list[Finding]:
    def change(connection: Connection) -> list[Finding]:
        for statement in statements:
            connection.execute(text(statement))
        return list(rows_against_rows(connection))

    return await database.write(change)


async def test_a_store_in_use_agrees_with_itself(site: Site, database: Database) -> None:
    await site.register(room=ROOM)
    task, attempt = await site.leased_task()
    (site.workspace / "tasks" / task).mkdir(parents=True)
    await site.finish(attempt)
    await site.leased_task()
    await site.create()
    one = await _add(database, _workload())
    (site.workspace / "workloads" / one.id).mkdir(parents=True)
    assert await _found(database, site.workspace) == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("A task counts other attempts than it has", "UPDATE tasks SET attempt = 7"),
        ("A live attempt is not its task's last", "UPDATE tasks SET attempt = 7"),
        ("A task that is leased or runs has no attempt of its present number", "DELETE FROM attempts"),
        ("An attempt is live although its task is not", "UPDATE tasks SET state = 'QUEUED'"),
        ("An attempt is live although its task is not", "UPDATE tasks SET state = 'COMPLETE', ended_us = 1"),
        ("A task has ended without a time", "UPDATE tasks SET state = 'COMPLETE'"),
        ("A task belongs to a workload that does not exist", "UPDATE tasks SET workload = 'x'"),
        (
            "A task has several live attempts",
            "INSERT INTO attempts (id, task, number, site, incarnation, state, reason, lease_until_us, created_us, log)"
            " SELECT 'other', task, 2, site, incarnation, state, '', 1, 1, log FROM attempts",
        ),
    ],
)
async def test_a_task_that_breaks_a_rule_is_found(site: Site, database: Database, rule: str, statement: str) -> None:
    await site.register()
    task, attempt = await site.leased_task()
    found = await _break(database, statement)
    assert rule in {one.rule for one in found}
    assert {one.what for one in found} <= {task, attempt, "other"}


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("A workload's state is not that of its last event", "UPDATE workloads SET state = 'RUNNING'"),
        (
            "A workload has a tombstone although it exists",
            "INSERT INTO tombstones SELECT id, owner, 1, 1 FROM workloads",
        ),
        (
            "An upload belongs to a workload that does not exist",
            "INSERT INTO uploads VALUES ('u', 'ada', 'x', 'r', 'n', 1, 's', true, 1, 1)",
        ),
        (
            "A workload goes on although an upload of it is not complete",
            "UPDATE workloads SET state = 'RUNNING'",
        ),
    ],
)
async def test_a_workload_that_breaks_a_rule_is_found(database: Database, rule: str, statement: str) -> None:
    one = await _add(database, _workload())
    upload = f"INSERT INTO uploads VALUES ('v', 'ada', '{one.id}', 'r', 'n', 1, 's', false, 1, 1)"  # noqa: S608
    assert rule in {finding.rule for finding in await _break(database, upload, statement)}


async def test_a_count_that_is_behind_is_found(site: Site, database: Database) -> None:
    one = await _add(database, _workload())
    await site.create(workload=one.id, key="k")
    (found,) = await _break(database, "UPDATE task_parents SET sequence = 0")
    assert found == Finding("A workload's tasks have changed more often than it counts", one.id)


def test_every_rule_is_tested() -> None:
    source = Path(__file__).read_text()
    assert [rule for rule in RULES if rule not in source] == []


async def test_what_has_no_row_is_found(database: Database, tmp_path: Path) -> None:
    for place in ("incoming/a", "workloads/b", "tasks/c", "owners/ada/results/d", "owners/ada/data/mine"):
        (tmp_path / place).mkdir(parents=True)
    found = [one.what for one in await _found(database, tmp_path)]
    assert sorted(found) == ["incoming/a", "owners/ada/results/d", "tasks/c", "workloads/b"]


async def test_results_that_are_missing_or_cut_are_found(database: Database, tmp_path: Path) -> None:
    one = await _add(database, _workload(State.SUCCEEDED))
    results = [{"name": name, "size": 3, "sha256": ""} for name in ("gone", "cut", "whole")]
    statement = text("UPDATE workloads SET results = :results")
    await database.write(lambda c: c.execute(statement, {"results": json.dumps(results)}).rowcount)
    folder = tmp_path / "owners" / "ada" / "results" / one.id / "files"
    folder.mkdir(parents=True)
    (folder / "cut").write_bytes(b"12")
    (folder / "whole").write_bytes(b"123")
    assert await _found(database, tmp_path) == [
        Finding("A result has another size than was noted", f"{one.id}: cut"),
        Finding("A result is missing", f"{one.id}: gone"),
    ]
