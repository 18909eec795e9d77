"""Which queued tasks are leased next: pure functions, no clock and no database (design.md, section 2).

Processes go before head tasks, so that engines cannot starve what they wait for. Head tasks take a slot and memory, at
most half of each that the site has, but no CPU: an engine waits nearly all of its life. A task that has waited long
while smaller ones passed it by closes the door behind itself, so that it cannot starve either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from penstock.tasks.models import Kind, Room

HEAD_SHARE = 0.5
PATIENCE_US = 60_000_000


@dataclass(frozen=True)
class Candidate:
    """A queued task, as far as admission looks at it."""

    task: str
    kind: Kind
    cpu_cores: float
    ram_gb: float
    disk_gb: float
    waiting_us: int = 0


@dataclass(frozen=True)
class HeadRoom:
    """What head tasks may still take of a site."""

    ram_gb: float
    slots: int

    @classmethod
    def of(cls, total: Room, used_ram_gb: float, used_slots: int) -> HeadRoom:
        """Half of the site less what its head tasks hold; a site with one slot still runs one engine at a time."""
        return cls(total.ram_gb * HEAD_SHARE - used_ram_gb, max(1, int(total.slots * HEAD_SHARE)) - used_slots)


def choose(candidates: Iterable[Candidate], free: Room, heads: HeadRoom, most: int) -> list[Candidate]:
    """Those to lease now, given processes first and each kind in the order of the queue."""
    chosen: list[Candidate] = []
    for candidate in candidates:
        if len(chosen) == most or free.slots < 1:
            break
        if _fits(candidate, free, heads):
            chosen.append(candidate)
            free = take(free, candidate)
            heads = take_head(heads, candidate)
        elif candidate.kind is Kind.PROCESS and candidate.waiting_us > PATIENCE_US:
            break
    return chosen


def take(free: Room, candidate: Candidate) -> Room:
    """What is left of ``free`` beside the candidate."""
    cpu = 0.0 if candidate.kind is Kind.HEAD else candidate.cpu_cores
    return Room(
        cpu_cores=free.cpu_cores - cpu,
        ram_gb=free.ram_gb - candidate.ram_gb,
        disk_gb=free.disk_gb - candidate.disk_gb,
        slots=free.slots - 1,
    )


def never_fits(candidate: Candidate, sites: Sequence[tuple[str, Room]]) -> str:
    """Why no site can ever run it, or an empty string. Without any site nothing can be said: it waits."""
    if not sites or any(_fits(candidate, total, HeadRoom.of(total, 0, 0)) for _, total in sites):
        return ""
    name, largest = max(sites, key=lambda site: (site[1].cpu_cores, site[1].ram_gb))
    needs = f"{candidate.cpu_cores:g} CPU cores, {candidate.ram_gb:g} GB of memory, {candidate.disk_gb:g} GB of disk"
    has = f"{largest.cpu_cores:g} CPU cores, {largest.ram_gb:.1f} GB of memory, {largest.disk_gb:.1f} GB of disk"
    share = " (head tasks may use half of the memory)" if candidate.kind is Kind.HEAD else ""
    return f"This task can never run here: it needs {needs}; the largest site, {name}, has {has}{share}."


def _fits(candidate: Candidate, free: Room, heads: HeadRoom) -> bool:
    if candidate.kind is Kind.HEAD and (heads.slots < 1 or candidate.ram_gb > heads.ram_gb):
        return False
    cpu = 0.0 if candidate.kind is Kind.HEAD else candidate.cpu_cores
    return cpu <= free.cpu_cores and candidate.ram_gb <= free.ram_gb and candidate.disk_gb <= free.disk_gb


def take_head(heads: HeadRoom, candidate: Candidate) -> HeadRoom:
    """What is left for head tasks beside the candidate."""
    if candidate.kind is Kind.PROCESS:
        return heads
    return HeadRoom(heads.ram_gb - candidate.ram_gb, heads.slots - 1)
