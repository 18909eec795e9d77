"""Which queued tasks are leased next: pure functions, no clock and no database (design.md, section 2).

Processes go before head tasks, so that engines cannot starve what they wait for. Head tasks take a slot and memory, at
most half of each that the site has, but no CPU: an engine waits nearly all of its life. A task that has waited long
while smaller ones passed it by closes the door behind itself, so that it cannot starve either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.tasks.models import Kind
from penstock.tasks.room import Room
from penstock.tasks.turns import Candidate, Turns

HEAD_SHARE = 0.5
PATIENCE_US = 60_000_000


class Place(Protocol):
    """A site, as far as admission looks at it."""

    @property
    def name(self) -> str: ...
    @property
    def room(self) -> Room: ...
    @property
    def tags(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class HeadRoom:
    """What head tasks may still take of a site."""

    ram_gb: float
    slots: int

    @classmethod
    def of(cls, total: Room, used_ram_gb: float, used_slots: int) -> HeadRoom:
        """Half of the site less what its head tasks hold; a site with one slot still runs one engine at a time."""
        return cls(total.ram_gb * HEAD_SHARE - used_ram_gb, max(1, int(total.slots * HEAD_SHARE)) - used_slots)


def choose(turns: Iterable[Turns], free: Room, heads: HeadRoom, most: int) -> list[Candidate]:
    """Those to lease now: processes in their turns, then heads in theirs."""
    chosen: list[Candidate] = []
    for one in turns:
        while (candidate := one.candidate()) is not None:
            if len(chosen) == most or free.slots < 1:
                return chosen
            if _fits(candidate, free, heads):
                one.lease()
                chosen.append(candidate)
                free, heads = take(free, candidate), take_head(heads, candidate)
            elif candidate.kind is Kind.PROCESS and candidate.waiting_us > PATIENCE_US:
                return chosen
            else:
                one.skip()
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


def never_fits(candidate: Candidate, sites: Sequence[Place]) -> str:
    """Why no site can ever run it, or an empty string. Without any site nothing can be said: it waits."""
    able = [site for site in sites if candidate.tags.items() <= site.tags.items()]
    if not sites or any(_fits(candidate, site.room.of_one_task(), HeadRoom.of(site.room, 0, 0)) for site in able):
        return ""
    if not able:
        known = "; ".join(f"{site.name}: {_shown(site.tags)}" for site in sites)
        return f"This task can never run here: no site has the tags {_shown(candidate.tags)} ({known})."
    largest = max(able, key=lambda site: site.room.of_one_task().size)
    needs = f"{candidate.cpu_cores:g} CPU cores, {candidate.ram_gb:g} GB of memory, {candidate.disk_gb:g} GB of disk"
    room = largest.room.of_one_task()
    has = f"{room.cpu_cores:g} CPU cores, {room.ram_gb:.1f} GB of memory, {room.disk_gb:.1f} GB of disk"
    share = " (head tasks may use half of the memory)" if candidate.kind is Kind.HEAD else ""
    return f"This task can never run here: it needs {needs}; the largest site, {largest.name}, has {has}{share}."


def _shown(tags: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(tags.items())) or "none"


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
