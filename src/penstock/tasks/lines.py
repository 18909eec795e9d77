"""Owners' lines in the database: who waits, for which sites, and whose turn it was (``turns`` decides with them).

A line holds the queued tasks of one owner that ask for the same tags, so that those which a site cannot serve are
never looked at for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, text, update

from penstock.allowances import Allowance, allowance
from penstock.tasks.models import Kind
from penstock.tasks.sites import Site
from penstock.tasks.tables import LIVE, attempts, tasks, turns
from penstock.tasks.turns import Candidate, Line, Turns

LOOK_AHEAD, LEAST_LOOK_AHEAD = 256, 16
PRESENT = ""  # the row of the queue's own virtual time
QUEUED = text("tasks.state = 'QUEUED'")  # in the words of the indexes


@dataclass(frozen=True)
class Waiting:
    """What a site may choose from now."""

    site: Site
    now_us: int
    owners: Mapping[str, Allowance]

    def turns(self, connection: Connection, kind: Kind) -> Turns:
        """The lines of this kind that the site can serve."""
        lines = [line for line in waiting(connection, kind) if self.site.has(wanted(line))]
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
        rows = [row for line in lines for row in connection.execute(self._query(kind, line).limit(look))]
        return [self._candidate(kind, row) for row in sorted(rows, key=lambda row: (-row.priority, row.id))[:look]]

    def _query(self, kind: Kind, line: str) -> Any:  # noqa: ANN401 - a Select of many columns
        room = self.site.room
        fits = (tasks.c.ram_gb <= room.ram_gb) & (tasks.c.disk_gb <= room.disk_gb)
        if kind is Kind.PROCESS:
            fits &= tasks.c.cpu_cores <= room.cpu_cores
        columns = (tasks.c.id, tasks.c.priority, tasks.c.cpu_cores, tasks.c.ram_gb, tasks.c.disk_gb, tasks.c.created_us)
        mine = (tasks.c.kind == kind.value) & (tasks.c.line == line) & (tasks.c.not_before_us <= self.now_us)
        return select(*columns).where(QUEUED, mine, fits).order_by(tasks.c.priority.desc(), tasks.c.id)

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
    """Every line with a queued task, by one look into the index for each line however long it is."""
    mine = tasks.c.kind == kind.value
    found = select(func.min(tasks.c.line).label("line")).where(QUEUED, mine).cte("waiting", recursive=True)
    following = select(func.min(tasks.c.line)).where(QUEUED, mine, tasks.c.line > found.c.line).correlate(found)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.line.is_not(None)))
    return list(connection.execute(select(found.c.line).where(found.c.line.is_not(None))).scalars())


def note(connection: Connection, taken: Turns) -> None:
    """Remember who was served."""
    for name, value in {**taken.served, PRESENT: taken.present}.items() if taken.served else ():
        if connection.execute(update(turns).where(turns.c.owner == name).values(served=value)).rowcount == 0:
            connection.execute(insert(turns).values(owner=name, served=value))


def _held(connection: Connection, kind: Kind) -> dict[str, int]:
    joined = attempts.join(tasks, tasks.c.id == attempts.c.task)
    query = select(tasks.c.owner, func.count()).select_from(joined).where(LIVE, tasks.c.kind == kind.value)
    return {row[0]: row[1] for row in connection.execute(query.group_by(tasks.c.owner))}


def _served(connection: Connection, owners: Mapping[str, object]) -> dict[str, float]:
    query = select(turns).where(turns.c.owner.in_([PRESENT, *owners]))
    return {row.owner: row.served for row in connection.execute(query)}


def _without_limit(line: Line) -> Line:
    """Heads do not count against what an owner may run: an engine whose processes may not start would wait forever."""
    return Line(line.owner, line.candidates, line.held, line.served, line.weight)
