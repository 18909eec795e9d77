"""What an agent asks of a backend. Everything it starts outlives the agent and is found again by the attempt's id."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from penstock.agents.protocol import Report, Work
from penstock.tasks.room import Room


class Backend(Protocol):
    """How an agent runs attempts. All calls are idempotent."""

    def total(self) -> Room:
        """All that this backend can offer."""

    async def found(self) -> list[str]:
        """Attempts that an earlier agent started here and that were not forgotten, alive or finished."""

    async def start(self, work: Work) -> None:
        """Start the attempt's runner; what goes wrong is told as an event, never raised."""

    async def adopt(self, work: Work) -> None:
        """Go on watching a runner that ``found`` named; tells its events again from the beginning."""

    async def end(self, attempt: str) -> None:
        """End the attempt's whole process tree and return when nothing of it runs."""

    async def forget(self, attempt: str) -> None:
        """Remove what the backend keeps of an attempt whose end the server has accepted or refused."""

    def events(self) -> AsyncIterator[Report]:
        """``started`` and ``finished`` of every attempt, each at least once, in order for each attempt."""

    async def close(self) -> None:
        """Stop watching; runners go on."""
