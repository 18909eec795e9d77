"""Owners' lines in the database: who waits, for which sites, and whose turn it was (``turns`` decides with them).

A line holds the queued tasks of one owner that ask for the same tags, so that those which a site cannot serve are
never looked at for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, insert, select, text, update

from penstock.allowances import Allowance, allowance
from penstock.tasks.models import Kind
from penstock.tasks.sites import Site
from penstock.tasks.tables import LIVE, attempts, tasks, turns
from penstock.tasks.turns import Candidate, Line, Turns

LOOK_AHEAD, LEAST_LOOK_AHEAD = 256, 16
PRESENT = ""  # the row of the queue's own virtual time
QUEUED = text("tasks.state = 'QUEUED'")  # in the words of the indexes
ANY = 1e300  # cores: heads take none


def _waiting() -> Select[Any]:
    """Every line with a queued task, by one look into the index for each line however long it is."""
    mine = tasks.c.kind == bindparam("kind")
    found = select(func.min(tasks.c.line).label("line")).where(QUEUED, mine).cte("waiting", recursive=True)
    following = select(func.min(tasks.c.line)).where(QUEUED, mine, tasks.c.line > found.c.line).correlate(found)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.line.is_not(None)))
    return select(found.c.line).where(found.c.line.is_not(None))


def _first() -> Select[Any]:
    """The first of a line that can ever fit the site."""
    columns = (tasks.c.id, tasks.c.priority, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb, tasks.c.created_us)
    mine = (tasks.c.kind == bindparam("kind")) & (tasks.c.line == bindparam("line"))
    fits = (tasks.c.ram_gb <= bindparam("ram")) & (tasks.c.disk_gb <= bindparam("disk"))
    due = (tasks.c.cpu_cores <= bindparam("cpu")) & (tasks.c.not_before_us <= bindparam("now"))
    query = select(*columns).where(QUEUED, mine, fits, due)
    return query.order_by(tasks.c.priority.desc(), tasks.c.id).limit(bindparam("look"))


def _held_owners() -> Select[Any]:
    """The owner of each live attempt. Counted outside: SQLite would go through all tasks to group them."""
    joined = attempts.join(tasks, tasks.c.id == attempts.c.task)
    return select(tasks.c.owner).select_from(joined).where(LIVE, tasks.c.kind == bindparam("kind"))


# Put together once: that takes longer than running them.
_WAITING, _FIRST, _HELD = _waiting(), _first(), _held_owners()
_SERVED = select(turns).where(turns.c.owner.in_(bindparam("owners", expanding=True)))


@dataclass(frozen=True)
class Waiting:
    """What a site may choose from now."""

    site: Site
    now_us: int
    owners: Mapping[str, Allowance]

    def turns(self, connection: Connection, kind: Kind) -> Turns:
        """The lines of this kind that the site can serve."""
        lines = [line for line in waiting(connection, kind) if self.site.has(wanted(line))]
        if not lines:
            return Turns([])
        by_owner: dict[str, list[str]] = {}
        for line in lines:
            by_owner.setdefault(owner(line), []).append(line)
        look = max(LEAST_LOOK_AHEAD, LOOK_AHEAD // max(1, len(lines)))
        held, served = _held(connection, kind), _served(connection, by_owner)
        present = served.get(PRESENT, 0.0)
        found = [
            self._line(name, self._first(connection, kind, mine, look), held.get(name, 0), served.get(name, present))
            for name, mine in by_owner.items()
        ]
        return Turns(found if kind is Kind.PROCESS else [_without_limit(line) for line in found], present)

    def _line(self, name: str, candidates: Sequence[Candidate], held: int, served: float) -> Line:
        terms = allowance(self.owners, name)
        most = None if terms.most_running is None else max(0, terms.most_running - held)
        return Line(name, candidates, held, served, terms.weight, most)

    def _first(self, connection: Connection, kind: Kind, lines: Sequence[str], look: int) -> list[Candidate]:
        room = self.site.room
        told = {"kind": kind.value, "now": self.now_us, "ram": room.ram_gb, "disk": room.disk_gb, "look": look}
        told["cpu"] = room.cpu_cores if kind is Kind.PROCESS else ANY
        rows = [row for line in lines for row in connection.execute(_FIRST, {**told, "line": line})]
        return [self._candidate(kind, row) for row in sorted(rows, key=lambda row: (-row.priority, row.id))[:look]]

    def _candidate(self, kind: Kind, row: Row[Any]) -> Candidate:
        return Candidate(row.id, kind, row.cpu_cores, row.ram_gb, row.disk_gb, self.now_us - row.created_us)


def line_of(name: str, tags: Mapping[str, str]) -> str:
    """The line that an owner's task with these wanted tags stands in."""
    return f"{name} {json.dumps(dict(tags), sort_keys=True)}" if tags else name


def owner(line: str) -> str:
    """Whose line it is."""
    return line.partition(" ")[0]


def wanted(line: str) -> dict[str, str]:
    """The tags that the tasks in it ask for."""
    found: dict[str, str] = json.loads(line.partition(" ")[2] or "{}")
    return found


def waiting(connection: Connection, kind: Kind) -> list[str]:
    """Every line with a queued task of this kind."""
    return list(connection.execute(_WAITING, {"kind": kind.value}).scalars())


def note(connection: Connection, taken: Turns) -> None:
    """Remember who was served."""
    for name, value in {**taken.served, PRESENT: taken.present}.items() if taken.served else ():
        if connection.execute(update(turns).where(turns.c.owner == name).values(served=value)).rowcount == 0:
            connection.execute(insert(turns).values(owner=name, served=value))


def _held(connection: Connection, kind: Kind) -> dict[str, int]:
    return Counter(connection.execute(_HELD, {"kind": kind.value}).scalars())


def _served(connection: Connection, owners: Mapping[str, object]) -> dict[str, float]:
    rows = connection.execute(_SERVED, {"owners": [PRESENT, *owners]})
    return {row.owner: row.served for row in rows}


def _without_limit(line: Line) -> Line:
    """Heads do not count against what an owner may run: an engine whose processes may not start would wait forever."""
    return Line(line.owner, line.candidates, line.held, line.served, line.weight)
