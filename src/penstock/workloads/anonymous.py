"""Who sends without a token: each workload gets an owner of its own, so that strangers stay strangers to each other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from penstock.database.engine import Database
from penstock.errors import LimitReached, TooLarge
from penstock.names import new_id
from penstock.settings import Settings
from penstock.workloads import store

PREFIX = "anon-"
AN_HOUR_S = 3600.0


class Anonymous:
    """The limits of all anonymous workloads together."""

    def __init__(self, settings: Settings, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._lately: deque[float] = deque()

    def owner(self) -> str:
        """An owner that nobody else has."""
        return f"{PREFIX}{new_id()}"

    async def check(self, size: int) -> None:
        """TooLarge, or LimitReached where there are too many already, or too many lately; counts this one."""
        settings = self._settings
        if size > settings.anonymous_largest:
            hint = f"Without a token at most {settings.anonymous_largest} bytes can be sent."
            raise TooLarge(f"{size} bytes are too many.", hint=hint)
        while self._lately and self._lately[0] < self._clock() - AN_HOUR_S:
            self._lately.popleft()
        there = await self._database.read(lambda connection: store.count_of_owners(connection, PREFIX))
        if len(self._lately) >= settings.anonymous_per_hour or there >= settings.anonymous_at_once:
            raise LimitReached(
                "There are too many workloads without a token.", hint="Try again later.", headers={"Retry-After": "600"}
            )
        self._lately.append(self._clock())
