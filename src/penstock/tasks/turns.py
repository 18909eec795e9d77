"""Whose turn it is: weighted fair share between owners, as a pure function of their lines.

An owner's *line* is its queued tasks in their order. The turn is with the owner that holds the fewest attempts for its
weight; among equals with the one that was served least, counted in virtual time as start-time fair queueing does: each
lease costs 1 / weight, and who comes (back) to the queue starts at the present virtual time, so that nobody saves turns
up. So an owner with ten thousand queued tasks delays another's first one by at most one turn.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from penstock.tasks.models import Kind


@dataclass(frozen=True)
class Candidate:
    """A queued task, as far as admission looks at it. ``tags`` are those that its site must have."""

    task: str
    kind: Kind
    cpu_cores: float
    ram_gb: float
    disk_gb: float
    waiting_us: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """An owner's queued tasks of one kind, first to last, and what decides when they have their turn.

    Parameters
    ----------
    held: live attempts of the owner, everywhere.
    served: the owner's virtual time.
    most: how many more attempts the owner may have; None for any number.
    """

    owner: str
    candidates: Sequence[Candidate]
    held: int = 0
    served: float = 0.0
    weight: float = 1.0
    most: int | None = None


class Turns:
    """Goes through several lines fairly. ``present`` is the queue's virtual time."""

    def __init__(self, lines: Iterable[Line], present: float = 0.0) -> None:
        self.present = present
        self.served: dict[str, float] = {}  # the new virtual times of those that were served
        self._heap: list[tuple[float, float, str, int, Line]] = [
            (*self._rank(line), 0, line) for line in lines if line.candidates
        ]
        heapq.heapify(self._heap)

    def candidate(self) -> Candidate | None:
        """The first of the line whose turn it is; None when all lines are through."""
        while self._heap:
            *_, place, line = self._heap[0]
            if place < len(line.candidates) and line.most != 0:
                return line.candidates[place]
            heapq.heappop(self._heap)
        return None

    def lease(self) -> None:
        """The candidate is leased: its owner has had its turn."""
        *_, place, line = self._heap[0]
        start = max(line.served, self.present)
        self.present = start
        self.served[line.owner] = start + 1 / line.weight
        most = None if line.most is None else line.most - 1
        line = replace(line, held=line.held + 1, served=self.served[line.owner], most=most)
        heapq.heapreplace(self._heap, (*self._rank(line), place + 1, line))

    def skip(self) -> None:
        """The candidate does not fit: the one behind it keeps its owner's turn."""
        held, served, owner, place, line = self._heap[0]
        heapq.heapreplace(self._heap, (held, served, owner, place + 1, line))

    def _rank(self, line: Line) -> tuple[float, float, str]:
        return line.held / line.weight, max(line.served, self.present), line.owner
