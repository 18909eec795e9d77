"""Wake-ups between the servers of one store: what one notifies, the others hear at once (LISTEN and NOTIFY).

What is told may be lost with the server that was about to tell it, or with the connection. So whoever connects anew,
or sees that another server is gone, wakes everybody who waits: each looks again, and finds what has changed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress

import asyncpg
import structlog

from penstock.clock import Deadline
from penstock.database.faults import BROKEN
from penstock.database.locks import connect
from penstock.names import new_id
from penstock.signals import Signals

CHANNEL = "penstock"
NAME = "penstock server "
MOST_TOPICS = 100  # a payload has less than 8,000 bytes
BEAT_S = 2.0
SILENCE_S = 5.0
PEERS = """SELECT application_name FROM pg_stat_activity
           WHERE datname = current_database() AND starts_with(application_name, $1)"""
log = structlog.get_logger(__name__)


class Wire:
    """Carries the topics of ``signals`` to the other servers and theirs to here."""

    def __init__(self, url: str, signals: Signals) -> None:
        self._url = url
        self._signals = signals
        self._me = new_id()
        self._telling: set[str] = set()
        self._something = asyncio.Event()
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and stay connected."""
        self._signals.on_notify = self._tell
        self._task = asyncio.create_task(self._run(), name="database-wire")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._connected.wait(), SILENCE_S)

    async def stop(self) -> None:
        """Tell what is left to tell and hang up."""
        self._signals.on_notify = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _tell(self, topics: tuple[str, ...]) -> None:
        self._telling.update(topics)
        self._something.set()

    def _hear(self, _connection: object, _process: int, _channel: str, payload: object) -> None:
        sender, topics = json.loads(str(payload))
        if sender != self._me:
            self._signals.hear(*topics)

    async def _run(self) -> None:
        while True:
            try:
                await self._stay_connected()
            except Exception as error:  # noqa: BLE001 - whatever it was: without this, no server hears of another
                log.warning("the connection to the other servers broke", reason=str(error))
            await asyncio.sleep(0.5)

    async def _stay_connected(self) -> None:
        # Losing a wake-up to a crash of the database costs nothing: all look again after it.
        connection = await connect(self._url, f"{NAME}{self._me}", synchronous_commit="off")
        try:
            connection.add_termination_listener(lambda _connection: self._something.set())
            await connection.add_listener(CHANNEL, self._hear)
            self._connected.set()
            self._signals.wake_all()
            await self._serve(connection)
        finally:
            with suppress(*BROKEN):
                await self._flush(connection)
            connection.terminate()

    async def _serve(self, connection: asyncpg.Connection) -> None:
        peers, beat = await self._peers(connection), Deadline.after(BEAT_S)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(beat.remaining):  # wait_for of Python 3.11 can swallow a cancel
                    await self._something.wait()
            self._something.clear()
            await self._flush(connection)
            if beat.passed:
                present = await self._peers(connection)
                if peers - present:
                    self._signals.wake_all()
                peers, beat = present, Deadline.after(BEAT_S)

    async def _flush(self, connection: asyncpg.Connection) -> None:
        telling, self._telling = self._telling, set()
        try:
            for payload in payloads(self._me, sorted(telling)):
                await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, payload, timeout=SILENCE_S)
        except BROKEN:  # who is connected again already would not look for it
            self._telling |= telling
            raise

    async def _peers(self, connection: asyncpg.Connection) -> set[str]:
        rows = await connection.fetch(PEERS, NAME, timeout=SILENCE_S)
        return {row["application_name"] for row in rows}


def payloads(sender: str, topics: list[str]) -> Iterator[str]:
    """The messages that carry these topics."""
    for start in range(0, len(topics), MOST_TOPICS):
        yield json.dumps([sender, topics[start : start + MOST_TOPICS]])
