"""Tasks in the database: creating, reading, and the one function that moves a task from state to state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, select, text, update

from penstock.clock import now_us
from penstock.names import new_id
from penstock.tasks import listing
from penstock.tasks.lines import line_of
from penstock.tasks.listing import Brief, Filter
from penstock.tasks.models import FINAL, Attempt, AttemptLog, Created, Kind, NewTask, Progress, State, Task
from penstock.tasks.tables import attempts, parents, tags, tasks

AT_ONCE = 500  # rows that one statement names

# Put together once: that takes longer than running them. An update sets the columns that it is executed with.
_is_source = (tasks.c.id == bindparam("moved")) & tasks.c.state.in_(bindparam("sources", expanding=True))
_is_fenced = _is_source & (tasks.c.attempt == bindparam("fence"))
_MOVED, _FENCED = select(tasks.c.workload).where(_is_source), select(tasks.c.workload).where(_is_fenced)
_MOVE, _MOVE_FENCED = update(tasks).where(_is_source), update(tasks).where(_is_fenced)
_COUNT = (
    update(parents)
    .where(parents.c.workload == bindparam("counted"))
    .values(sequence=parents.c.sequence + 1)
    .returning(parents.c.sequence)
)
_INSERT, _INSERT_TAGS = insert(tasks), insert(tags)
_KNOWN = select(tasks.c.id, tasks.c.state).where(
    tasks.c.workload == bindparam("parent"), tasks.c.key == bindparam("known")
)
_TASK = select(tasks).where(tasks.c.id == bindparam("wanted"))
_ATTEMPTS = (
    select(attempts)
    .where(attempts.c.task.in_(bindparam("wanted", expanding=True)))
    .order_by(attempts.c.task, attempts.c.number)
)


def create(connection: Connection, new: NewTask) -> Created:
    """Insert a task, or answer the one that has its key in the workload already."""
    if new.workload is not None and new.key is not None:
        known = connection.execute(_KNOWN, {"parent": new.workload, "known": new.key}).one_or_none()
        if known is not None:
            return Created(id=known.id, key=new.key, state=State(known.state), created=False)
    task = new_id()
    connection.execute(_INSERT, _row(connection, task, new))
    if new.spec.tags:
        pairs = [{"owner": new.owner, "task": task, "key": key, "value": value} for key, value in new.spec.tags.items()]
        connection.execute(_INSERT_TAGS, pairs)
    return Created(id=task, key=new.key, state=State.QUEUED, created=True)


def _row(connection: Connection, task: str, new: NewTask) -> dict[str, Any]:
    name = new.spec.name or ""
    return {
        "id": task,
        "owner": new.owner,
        "workload": new.workload,
        "key": new.key,
        "kind": new.kind.value,
        "name": name,
        "rule": (new.spec.tags or {}).get("rule", name.partition("[")[0]),
        "state": State.QUEUED.value,
        "reason": "",
        "line": line_of(new.owner, new.terms.tags),
        "priority": new.terms.priority,
        "cpu_cores": new.terms.cpu_cores,
        "ram_gb": new.terms.ram_gb,
        "disk_gb": new.terms.disk_gb,
        "attempt": 0,
        "not_before_us": 0,
        "sequence": next_sequence(connection, new.workload),
        "created_us": now_us(),
        "spec": new.spec.model_dump_json(exclude_none=True),
        "terms": new.terms.model_dump_json(exclude_defaults=True),
    }


def move(
    connection: Connection,
    task: str,
    sources: Iterable[State],
    target: State,
    reason: str = "",
    *,
    attempt: int | None = None,
    **values: object,
) -> bool:
    """One transition, the old state and (if given) the attempt number in its WHERE; False if it did not apply."""
    bound: dict[str, object] = {"moved": task, "sources": [source.value for source in sources]}
    look, change = _MOVED, _MOVE
    if attempt is not None:
        look, change, bound["fence"] = _FENCED, _MOVE_FENCED, attempt
    found = connection.execute(look, bound).one_or_none()
    if found is None:
        return False
    if target in FINAL:
        values["ended_us"] = now_us()
    changed = {**values, "state": target.value, "reason": reason, "sequence": next_sequence(connection, found.workload)}
    connection.execute(change, {**bound, **changed})
    return True


def next_sequence(connection: Connection, workload: str | None) -> int:
    """Count the workload's sequence up; 0 for a task without one."""
    if workload is None:
        return 0
    value = connection.execute(_COUNT, {"counted": workload}).scalar_one_or_none()
    if value is None:
        connection.execute(insert(parents).values(workload=workload, sequence=1, total=None))
        return 1
    return int(value)


def expect(connection: Connection, workload: str, total: int) -> None:
    """Note how many processes the engine expects."""
    next_sequence(connection, workload)
    connection.execute(update(parents).where(parents.c.workload == workload).values(total=total))


def get(connection: Connection, task: str, *, with_attempts: bool = True) -> Task | None:
    """One task."""
    row = connection.execute(_TASK, {"wanted": task}).one_or_none()
    if row is None:
        return None
    return as_task(row, _attempts_of(connection, [task]).get(task, []) if with_attempts else [])


def many(connection: Connection, ids: Sequence[str]) -> dict[str, Task]:
    """Those of the tasks that exist, by id, without their attempts."""
    found: dict[str, Task] = {}
    for first in range(0, len(ids), AT_ONCE):
        rows = connection.execute(select(tasks).where(tasks.c.id.in_(ids[first : first + AT_ONCE])))
        found |= {row.id: as_task(row, []) for row in rows}
    return found


def brief(connection: Connection, ids: Sequence[str]) -> list[Brief]:
    """Those of the tasks that exist, newest first, without what costs time to read."""
    columns = select(tasks.c.id, tasks.c.owner, tasks.c.workload, tasks.c.state)
    rows = connection.execute(columns.where(tasks.c.id.in_(ids)).order_by(tasks.c.id.desc()))
    return [Brief(row.id, row.owner, row.workload, State(row.state)) for row in rows]


def page(connection: Connection, wanted: Filter) -> list[Task]:
    """The newest tasks that match, at most ``wanted.limit``, with their attempts."""
    ids = listing.page(connection, wanted)
    rows = connection.execute(select(tasks).where(tasks.c.id.in_(ids)).order_by(tasks.c.id.desc())).all()
    logs = _attempts_of(connection, ids)
    return [as_task(row, logs.get(row.id, [])) for row in rows]


def changed(connection: Connection, workload: str, after: int, limit: int = 1000) -> list[Task]:
    """Processes of a workload that changed after this sequence, in the order of their changes, with their attempts."""
    condition = (tasks.c.workload == workload) & (tasks.c.sequence > after) & (tasks.c.kind == Kind.PROCESS.value)
    rows = connection.execute(select(tasks).where(condition).order_by(tasks.c.sequence).limit(limit)).all()
    final = [row.id for row in rows if State(row.state) in FINAL]
    logs = _attempts_of(connection, final)
    return [as_task(row, logs.get(row.id, [])) for row in rows]


def of_workload(connection: Connection, workload: str, *, kind: Kind, states: Iterable[State]) -> list[Task]:
    """A workload's tasks of one kind in these states, oldest first, with their attempts."""
    condition = (tasks.c.workload == workload) & (tasks.c.kind == kind.value) & tasks.c.state.in_([*states])
    rows = connection.execute(select(tasks).where(condition).order_by(tasks.c.id)).all()
    logs = _attempts_of(connection, [row.id for row in rows])
    return [as_task(row, logs.get(row.id, [])) for row in rows]


def live_of_workload(connection: Connection, workload: str) -> list[str]:
    """Ids of the workload's tasks that are not final."""
    condition = (tasks.c.workload == workload) & tasks.c.state.not_in([state.value for state in FINAL])
    return list(connection.execute(select(tasks.c.id).where(condition)).scalars())


def progress(connection: Connection, workload: str) -> Progress:
    """Processes of a workload, counted by rule and by what became of them."""
    what = case(
        (tasks.c.state == State.COMPLETE.value, "done"),
        (tasks.c.state == State.QUEUED.value, "queued"),
        (tasks.c.state.in_([state.value for state in FINAL]), "failed"),
        else_="running",
    )
    condition = (tasks.c.workload == workload) & (tasks.c.kind == Kind.PROCESS.value)
    query = select(tasks.c.rule, what.label("what"), func.count().label("count")).where(condition)
    answer = Progress(
        total=connection.execute(select(parents.c.total).where(parents.c.workload == workload)).scalar_one_or_none()
    )
    for row in connection.execute(query.group_by(tasks.c.rule, text("what")).order_by(func.min(tasks.c.id))):
        counts = answer.rules.setdefault(row.rule, {"total": 0, "done": 0, "running": 0, "queued": 0, "failed": 0})
        counts["total"] += row[2]
        counts[row.what] += row[2]
        setattr(answer, row.what, getattr(answer, row.what) + row[2])
    return answer


def remove_workload(connection: Connection, workload: str) -> list[str]:
    """Delete the rows of a workload's tasks; the ids that were deleted."""
    ids = list(connection.execute(select(tasks.c.id).where(tasks.c.workload == workload)).scalars())
    connection.execute(delete(tasks).where(tasks.c.workload == workload))
    connection.execute(delete(parents).where(parents.c.workload == workload))
    return ids


def _attempts_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Attempt]]:
    found: dict[str, list[Attempt]] = {}
    if ids:
        for row in connection.execute(_ATTEMPTS, {"wanted": list(ids)}):
            found.setdefault(row.task, []).append(as_attempt(row))
    return found


def as_attempt(row: Row[Any]) -> Attempt:
    """An attempt from its row."""
    return Attempt.model_validate({**row._mapping, "log": AttemptLog.model_validate_json(row.log)})


def as_task(row: Row[Any], logs: list[Attempt]) -> Task:
    """A task from its row."""
    values = {**row._mapping, "attempts": logs}
    for name in ("spec", "terms"):
        values[name] = Task.model_fields[name].annotation.model_validate_json(values[name])  # type: ignore[union-attr]
    return Task.model_validate(values)
