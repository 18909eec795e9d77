"""What this agent's pods hold until they are gone.

An attempt has ended before its pod has been removed, and the server hands out its room at once. The scheduler still
counts the pod: one that were made now would find no room, and be looked at again only after a second.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from penstock.clock import Deadline
from penstock.tasks.room import Room

_PATIENCE_S = 5.0  # for the removal of what has ended; without the server's word nothing is removed
_ROUNDING = 1e-6


@dataclass
class _Share:
    cpu_cores: float
    ram_gb: float
    ended: bool = False


class Taken:
    """``total`` is the site's room. Attempts are told by their names."""

    def __init__(self, total: Room) -> None:
        self.total = total
        self._shares: dict[str, _Share] = {}
        self._cpu_cores = self._ram_gb = 0.0  # of all of them, and how many have ended: there may be thousands
        self._ended = 0
        self._freed = asyncio.Event()

    async def take(self, attempt: str, cpu_cores: float, ram_gb: float) -> None:
        """Hold this much. Waits while it does not fit and something that has ended is still to be removed."""
        deadline = Deadline.after(_PATIENCE_S)
        while self._lacks(cpu_cores, ram_gb) and self._ended and not deadline.passed:
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), deadline.remaining)
            except TimeoutError:
                break
        self.hold(attempt, cpu_cores, ram_gb)

    def hold(self, attempt: str, cpu_cores: float, ram_gb: float) -> None:
        """It is there already."""
        self.free(attempt)
        self._shares[attempt] = _Share(cpu_cores, ram_gb)
        self._cpu_cores += cpu_cores
        self._ram_gb += ram_gb

    def end(self, attempt: str) -> None:
        """It has ended, and will be removed."""
        share = self._shares.get(attempt)
        if share is not None and not share.ended:
            share.ended = True
            self._ended += 1

    def free(self, attempt: str) -> None:
        """Its pod is gone."""
        share = self._shares.pop(attempt, None)
        if share is not None:
            self._cpu_cores -= share.cpu_cores
            self._ram_gb -= share.ram_gb
            self._ended -= share.ended
            self._freed.set()

    def _lacks(self, cpu_cores: float, ram_gb: float) -> bool:
        return (
            self._cpu_cores + cpu_cores > self.total.cpu_cores + _ROUNDING
            or self._ram_gb + ram_gb > self.total.ram_gb + _ROUNDING
            or len(self._shares) + 1 > self.total.slots
        )
