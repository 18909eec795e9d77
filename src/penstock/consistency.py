"""Whether the store agrees with itself and with the workspace: what ``penstock admin check`` finds.

Rows are read in one snapshot. Folders are listed before it, since rows come before their folders and files; so a server
that runs meanwhile causes no false alarm, but for what is being removed in the very moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

# Each query answers the ids of rows that break the rule.
RULES = {
    "A task that is leased or runs has no attempt of its present number": """
        SELECT id FROM tasks WHERE state IN ('INITIALIZING', 'RUNNING') AND NOT EXISTS
        (SELECT 1 FROM attempts WHERE attempts.task = tasks.id AND attempts.number = tasks.attempt)""",
    "A task counts other attempts than it has": """
        SELECT id FROM tasks WHERE attempt <>
        (SELECT coalesce(max(number), 0) FROM attempts WHERE attempts.task = tasks.id)""",
    "An attempt is live although its task is not": """
        SELECT attempts.id FROM attempts JOIN tasks ON tasks.id = attempts.task
        WHERE attempts.state IN ('leased', 'started')
        AND tasks.state IN ('QUEUED', 'COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED')""",
    "A task has several live attempts": """
        SELECT task FROM attempts WHERE state IN ('leased', 'started') GROUP BY task HAVING count(*) > 1""",
    "A live attempt is not its task's last": """
        SELECT attempts.id FROM attempts JOIN tasks ON tasks.id = attempts.task
        WHERE attempts.state IN ('leased', 'started') AND attempts.number <> tasks.attempt""",
    "A task has ended without a time": """
        SELECT id FROM tasks WHERE state IN ('COMPLETE', 'EXECUTOR_ERROR', 'SYSTEM_ERROR', 'CANCELED')
        AND ended_us IS NULL""",
    "A task belongs to a workload that does not exist": """
        SELECT id FROM tasks WHERE workload IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM workloads WHERE workloads.id = tasks.workload)""",
    "A workload's tasks have changed more often than it counts": """
        SELECT workload FROM task_parents WHERE sequence <
        (SELECT coalesce(max(sequence), 0) FROM tasks WHERE tasks.workload = task_parents.workload)""",
    "An upload belongs to a workload that does not exist": """
        SELECT id FROM uploads WHERE NOT EXISTS (SELECT 1 FROM workloads WHERE workloads.id = uploads.workload)""",
    "A workload goes on although an upload of it is not complete": """
        SELECT id FROM workloads WHERE state IN ('PREPARING', 'QUEUED', 'RUNNING', 'PACKING', 'SUCCEEDED')
        AND EXISTS (SELECT 1 FROM uploads WHERE uploads.workload = workloads.id AND NOT uploads.complete)""",
    "A workload's state is not that of its last event": """
        SELECT id FROM workloads WHERE state <> coalesce((SELECT state FROM workload_events
        WHERE workload = workloads.id ORDER BY number DESC LIMIT 1), '')""",
    "A workload has a tombstone although it exists": """
        SELECT workloads.id FROM workloads JOIN tombstones ON tombstones.id = workloads.id""",
}


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that is broken, and by what."""

    rule: str
    what: str


@dataclass(frozen=True)
class Folders:
    """What there is in the workspace, by name."""

    incoming: frozenset[str]
    workloads: frozenset[str]
    results: frozenset[tuple[str, str]]
    tasks: frozenset[str]


def look(workspace: Path) -> Folders:
    """List the workspace's folders."""
    owners = workspace / "owners"
    return Folders(
        frozenset(_names(workspace / "incoming")),
        frozenset(_names(workspace / "workloads")),
        frozenset((owner, name) for owner in _names(owners) for name in _names(owners / owner / "results")),
        frozenset(_names(workspace / "tasks")),
    )


def check(connection: Connection, folders: Folders, workspace: Path) -> list[Finding]:
    """Everything that is not as it should be."""
    return sorted([*rows_against_rows(connection), *rows_against_workspace(connection, folders, workspace)])


def rows_against_rows(connection: Connection) -> Iterator[Finding]:
    """The rules that the store alone can break."""
    for rule, query in RULES.items():
        for row in connection.execute(text(query)):
            yield Finding(rule, str(row[0]))


def rows_against_workspace(connection: Connection, folders: Folders, workspace: Path) -> Iterator[Finding]:
    """What has no row, and rows that lack their files."""
    known = {row.id: row for row in connection.execute(text("SELECT id, owner, state, results FROM workloads"))}
    uploads = set(connection.execute(text("SELECT id FROM uploads")).scalars())
    tasks = set(connection.execute(text("SELECT id FROM tasks")).scalars())
    for name in folders.incoming - uploads:
        yield Finding("A file belongs to no upload", f"incoming/{name}")
    for name in folders.workloads - known.keys():
        yield Finding("A folder belongs to no workload", f"workloads/{name}")
    for name in folders.tasks - tasks:
        yield Finding("A folder belongs to no task", f"tasks/{name}")
    for owner, name in folders.results:
        if name not in known or known[name].owner != owner:
            yield Finding("Results belong to no workload", f"owners/{owner}/results/{name}")
    for one in known.values():
        if one.state in ("SUCCEEDED", "FAILED"):
            yield from _results(workspace / "owners" / one.owner / "results" / one.id / "files", one.id, one.results)


def _results(folder: Path, workload: str, results: str) -> Iterator[Finding]:
    for result in json.loads(results):
        path = folder / result["name"]
        if not path.is_file():
            yield Finding("A result is missing", f"{workload}: {result['name']}")
        elif path.stat().st_size != result["size"]:
            yield Finding("A result has another size than was noted", f"{workload}: {result['name']}")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
