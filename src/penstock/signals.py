"""Wake-ups: a waiter names a topic and what it saw last, a change counts the topic up.

Where several servers share a store, ``on_notify`` carries what one notifies to the others, who ``hear`` it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from penstock.clock import Deadline

QUEUE = "queue"


def workload_topic(workload: str) -> str:
    """The topic that every change to a workload, or to a task of it, counts up."""
    return f"workload:{workload}"


class Signals:
    """Topics with a count each; a change between look and wait is never missed, because the count has moved."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._waiters: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self.draining = False
        self.on_notify: Callable[[tuple[str, ...]], None] | None = None

    def count(self, topic: str) -> int:
        """How often ``topic`` was notified; read it *before* looking at the data."""
        return self._counts[topic]

    def notify(self, *topics: str) -> None:
        """Wake who waits for these topics. Call it after the change is durable, in the event loop's thread."""
        self.hear(*topics)
        if self.on_notify is not None and topics:
            self.on_notify(topics)

    def hear(self, *topics: str) -> None:
        """Wake who waits for these topics in this server."""
        for topic in topics:
            self._counts[topic] += 1
            for waiter in self._waiters.pop(topic, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self, topic: str, seen: int, deadline: Deadline) -> bool:
        """Wait until ``topic`` was notified more than ``seen`` times; False when the deadline or a drain came first."""
        while self._counts[topic] == seen:
            if self.draining or deadline.passed:
                return False
            waiter = asyncio.get_running_loop().create_future()
            self._waiters[topic].add(waiter)
            try:
                await asyncio.wait_for(waiter, deadline.remaining)
            except TimeoutError:
                return False
            finally:
                self._discard(topic, waiter)
        return True

    def wake_all(self) -> None:
        """Wake everybody in this server: something may have changed that nobody was told."""
        self.hear(*self._counts)

    def drain(self) -> None:
        """End every wait now; later ones end at once."""
        self.draining = True
        for waiters in list(self._waiters.values()):
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def forget(self, topic: str) -> None:
        """Drop a topic that will not be notified again."""
        self.notify(topic)
        self._counts.pop(topic, None)

    def _discard(self, topic: str, waiter: asyncio.Future[None]) -> None:
        waiters = self._waiters.get(topic)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiters[topic]
