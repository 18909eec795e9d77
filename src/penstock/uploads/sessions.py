"""One writer for each upload: a second request is refused while the first is alive, and takes over from a dead one.

A client whose network went away leaves a request behind that neither ends nor gets another byte. The client that
comes back must not wait for TCP to notice: a writer that has been silent for ``stale_s`` is sent away.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from penstock.errors import Draining, Gone, Locked, PenstockError


@dataclass
class Session:
    """A request that writes. ``arrivals`` counts the pieces of body that it got."""

    arrivals: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    fenced: PenstockError | None = None
    _reading: asyncio.Timeout | None = None

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """The part of the request that ``fence`` interrupts; raises what it was fenced with."""
        try:
            async with asyncio.timeout(0 if self.fenced else None) as self._reading:
                yield
        except TimeoutError:
            if self.fenced is None:
                raise
            raise self.fenced from None
        finally:
            self._reading = None

    def fence(self, error: PenstockError) -> None:
        """Send this request away; wait for ``ended`` before touching its file."""
        if self.fenced is None:
            self.fenced = error
            if self._reading is not None:
                self._reading.reschedule(asyncio.get_running_loop().time())


class Sessions:
    """The requests that are writing, by upload."""

    def __init__(self, stale_s: float) -> None:
        self.stale_s = stale_s
        self._writing: dict[str, Session] = {}

    @asynccontextmanager
    async def sole(self, upload: str) -> AsyncIterator[Session]:
        """Be the only writer of ``upload``; Locked if another one is alive."""
        while (other := self._writing.get(upload)) is not None:
            await self._outwait(other)
        session = self._writing[upload] = Session()
        try:
            yield session
        finally:
            del self._writing[upload]
            session.ended.set()

    def active(self) -> frozenset[str]:
        """The uploads that are being written."""
        return frozenset(self._writing)

    async def end(self, upload: str) -> None:
        """Send the writer of ``upload`` away, if there is one, because the upload is removed."""
        if (session := self._writing.get(upload)) is not None:
            session.fence(Gone("This upload was removed while it was being sent."))
            await session.ended.wait()

    async def give_way(self, upload: str) -> None:
        """Send the writer of ``upload`` away if it is silent: a request in another server wants to go on."""
        if (session := self._writing.get(upload)) is not None:
            with suppress(Locked):
                await self._outwait(session)

    def drain(self) -> None:
        """Send all writers away: the server is about to stop. What arrived is kept."""
        for session in self._writing.values():
            session.fence(Draining("The server is stopping.", hint="Ask for the offset and go on from there."))

    async def _outwait(self, other: Session) -> None:
        arrivals = other.arrivals
        try:
            async with asyncio.timeout(self.stale_s):
                await other.ended.wait()
        except TimeoutError:
            if other.arrivals != arrivals:
                raise being_sent() from None
            other.fence(Locked("A later request has taken this upload over."))
            await other.ended.wait()


def being_sent() -> Locked:
    """The answer to a request for an upload that another one, which is alive, is sending."""
    return Locked(
        "Another request is sending this upload right now.",
        hint="Wait for it, then ask for the offset.",
        headers={"Retry-After": "1"},
    )
