"""Workloads in the database; ``move`` is the one function that changes a state."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from penstock.database.tables import metadata
from penstock.workloads.models import FINISHED, Account, Event, InputFile, Result, State, Tombstone, Usage, Workload

workloads = Table(
    "workloads",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner", String(63), nullable=False),
    Column("name", Text, nullable=False),
    Column("pipeline", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("parameters", Text, nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, index=True),
    Column("warned_us", BigInteger),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("files", BigInteger, nullable=False, server_default="0"),
    Column("results_to", Text),
    Column("sent_us", BigInteger),
    Column("inputs", Text, nullable=False),
    Column("results", Text, nullable=False),
    Index("ix_workloads_owner_id", "owner", "id"),
    Index("ix_workloads_owner_state_id", "owner", "state", "id"),
)

events = Table(
    "workload_events",
    metadata,
    Column("workload", String(26), ForeignKey("workloads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at_us", BigInteger, nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("workload", String(26), ForeignKey("workloads.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(32), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False, server_default="0"),
    Column("crypt", Text, nullable=False, server_default=""),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("owner", String(63), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("removed_us", BigInteger, nullable=False),
)

_INPUTS, _RESULTS = TypeAdapter(tuple[InputFile, ...]), TypeAdapter(tuple[Result, ...])
_SHORT = [column for column in workloads.c if column.name not in ("inputs", "results")]


def add(connection: Connection, new: Workload, account: Account) -> None:
    """Store a new workload with its account and its first event."""
    texts = {
        "parameters": json.dumps(new.parameters),
        "inputs": _INPUTS.dump_json(new.inputs).decode(),
        "results": "[]",
    }
    connection.execute(insert(workloads).values({**vars(new), **texts}))
    connection.execute(insert(accounts).values(vars(account)))
    _note(connection, new.id, new.created_us, new.state, new.reason)


def find(connection: Connection, workload: str) -> Workload | None:
    """The workload with this id, whole."""
    row = connection.execute(select(workloads).where(workloads.c.id == workload)).one_or_none()
    return None if row is None else _workload(row)


def find_short(connection: Connection, workload: str) -> Workload | None:
    """The workload without its inputs and results, which can be ten thousand each."""
    row = connection.execute(select(*_SHORT).where(workloads.c.id == workload)).one_or_none()
    return None if row is None else _workload(row)


def page(
    connection: Connection, owner: str | None, state: State | None, before: str | None, limit: int
) -> list[Workload]:
    """The owner's (or everybody's) newest workloads with a smaller id than ``before``, without inputs and results."""
    query = select(*_SHORT).order_by(workloads.c.id.desc()).limit(limit)
    if owner is not None:
        query = query.where(workloads.c.owner == owner)
    if state is not None:
        query = query.where(workloads.c.state == state.value)
    if before is not None:
        query = query.where(workloads.c.id < before)
    return [_workload(row) for row in connection.execute(query)]


def usage(connection: Connection, owner: str) -> Usage:
    """What an owner has here."""
    sums = func.count(), func.coalesce(func.sum(workloads.c.bytes), 0), func.coalesce(func.sum(workloads.c.files), 0)
    row = connection.execute(select(*sums).where(workloads.c.owner == owner)).one()
    return Usage(int(row[0]), int(row[1]), int(row[2]))


def count_of_owners(connection: Connection, prefix: str) -> int:
    """How many workloads there are of owners whose names begin so."""
    query = select(func.count()).select_from(workloads).where(workloads.c.owner.startswith(prefix, autoescape=True))
    return int(connection.execute(query).scalar_one())


def in_states(connection: Connection, states: Iterable[State]) -> list[str]:
    """The ids of all workloads in these states, oldest first."""
    query = select(workloads.c.id).where(workloads.c.state.in_([state.value for state in states]))
    return list(connection.execute(query.order_by(workloads.c.id)).scalars())


def owners(connection: Connection) -> dict[str, tuple[str, State]]:
    """Owner and state of every workload there is."""
    query = select(workloads.c.id, workloads.c.owner, workloads.c.state)
    return {row.id: (row.owner, State(row.state)) for row in connection.execute(query)}


def owner_of(connection: Connection, workload: str) -> str | None:
    """Whose the workload is, or was."""
    for table in (workloads, tombstones):
        found: str | None = connection.execute(select(table.c.owner).where(table.c.id == workload)).scalar()
        if found is not None:
            return found
    return None


def move(
    connection: Connection,
    workload: str,
    sources: Iterable[State],
    target: State,
    reason: str,
    at_us: int,
    *,
    expires_us: int | None = None,
    results: tuple[Result, ...] | None = None,
    sent_us: int | None = None,
) -> bool:
    """One transition, with the old state in its WHERE; False if it did not apply."""
    values: dict[str, Any] = {
        "state": target.value,
        "reason": reason,
        "sequence": workloads.c.sequence + 1,
        "updated_us": at_us,
        "expires_us": expires_us,
        "warned_us": None,
    }
    if sent_us is not None:
        values["sent_us"] = sent_us
    if target in FINISHED:  # its inputs are gone by then, or soon
        values["bytes"] = sum(result.size for result in results or ())
        values["files"] = len(results or ())
    if results is not None:
        values["results"] = _RESULTS.dump_json(results).decode()
    condition = (workloads.c.id == workload) & workloads.c.state.in_([source.value for source in sources])
    if connection.execute(update(workloads).where(condition).values(values)).rowcount != 1:
        return False
    _note(connection, workload, at_us, target, reason)
    return True


def count_up(connection: Connection, workload: str, at_us: int) -> None:
    """Note that something about a workload changed that is no change of its state."""
    changed = update(workloads).where(workloads.c.id == workload)
    connection.execute(changed.values(sequence=workloads.c.sequence + 1, updated_us=at_us))


def events_of(connection: Connection, workload: str) -> list[Event]:
    """The changes of a workload's state, oldest first."""
    query = select(events).where(events.c.workload == workload).order_by(events.c.number)
    return [Event(row.at_us, State(row.state), row.reason) for row in connection.execute(query)]


def account(connection: Connection, workload: str) -> Account | None:
    """The account of this workload."""
    row = connection.execute(select(accounts).where(accounts.c.workload == workload)).one_or_none()
    return None if row is None else Account(**row._mapping)


def set_account(connection: Connection, new: Account) -> None:
    """Give a workload this account instead of the one that it has, if any."""
    close_account(connection, new.workload)
    connection.execute(insert(accounts).values(vars(new)))


def close_account(connection: Connection, workload: str) -> None:
    """Delete a workload's account."""
    connection.execute(delete(accounts).where(accounts.c.workload == workload))


def due(connection: Connection, at_us: int) -> list[str]:
    """Finished workloads whose time is over."""
    condition = (workloads.c.expires_us <= at_us) & workloads.c.state.in_([state.value for state in FINISHED])
    return list(connection.execute(select(workloads.c.id).where(condition)).scalars())


def to_warn(connection: Connection, before_us: int) -> list[Workload]:
    """Finished workloads whose time is over by then, and whose owners were not warned."""
    condition = (workloads.c.expires_us <= before_us) & workloads.c.warned_us.is_(None)
    finished = workloads.c.state.in_([state.value for state in FINISHED])
    return [_workload(row) for row in connection.execute(select(*_SHORT).where(condition & finished))]


def warned(connection: Connection, workload: str, at_us: int) -> None:
    """Note that its owner was warned."""
    connection.execute(update(workloads).where(workloads.c.id == workload).values(warned_us=at_us))


def next_to_warn(connection: Connection) -> int | None:
    """When the first workload expires whose owner was not warned."""
    finished = workloads.c.state.in_([state.value for state in FINISHED]) & workloads.c.warned_us.is_(None)
    moment: int | None = connection.execute(select(func.min(workloads.c.expires_us)).where(finished)).scalar()
    return moment


def counts(connection: Connection) -> list[tuple[State, int, int, int]]:
    """By state: how many workloads, bytes and files there are."""
    sums = func.count(), func.coalesce(func.sum(workloads.c.bytes), 0), func.coalesce(func.sum(workloads.c.files), 0)
    rows = connection.execute(select(workloads.c.state, *sums).group_by(workloads.c.state))
    return [(State(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in rows]


def next_due(connection: Connection) -> int | None:
    """When the next finished workload's time is over."""
    finished = workloads.c.state.in_([state.value for state in FINISHED])
    moment: int | None = connection.execute(select(func.min(workloads.c.expires_us)).where(finished)).scalar()
    return moment


def bury(connection: Connection, workload: str, at_us: int) -> None:
    """Replace a workload by its tombstone."""
    row = connection.execute(
        select(workloads.c.owner, workloads.c.created_us).where(workloads.c.id == workload)
    ).one_or_none()
    if row is not None:
        stone = {"id": workload, "owner": row.owner, "created_us": row.created_us, "removed_us": at_us}
        connection.execute(delete(workloads).where(workloads.c.id == workload))
        connection.execute(insert(tombstones).values(stone))


def tombstone(connection: Connection, workload: str) -> Tombstone | None:
    """What is left of a removed workload."""
    row = connection.execute(select(tombstones).where(tombstones.c.id == workload)).one_or_none()
    return None if row is None else Tombstone(**row._mapping)


def _note(connection: Connection, workload: str, at_us: int, state: State, reason: str) -> None:
    last = connection.execute(select(func.max(events.c.number)).where(events.c.workload == workload)).scalar()
    values = {"workload": workload, "number": (last or 0) + 1, "at_us": at_us, "state": state.value, "reason": reason}
    connection.execute(insert(events).values(values))


def _workload(row: Row[Any]) -> Workload:
    values = dict(row._mapping)
    values["parameters"] = json.loads(values["parameters"])
    values["state"] = State(values["state"])
    for name, adapter in (("inputs", _INPUTS), ("results", _RESULTS)):
        if name in values:
            values[name] = adapter.validate_json(values[name])
    return Workload(**values)
