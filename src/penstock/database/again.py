"""The one way in which what runs in the background outlives a database that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from penstock.errors import StoreAway

PAUSE_S = 0.5
log = structlog.get_logger(__name__)


async def again(job: Callable[[], Awaitable[None]]) -> None:
    """Run ``job`` to its end, from its beginning whenever the store went away under it."""
    while True:
        try:
            return await job()
        except StoreAway as error:
            log.warning("waiting for the database", reason=error.message)
        await asyncio.sleep(PAUSE_S)
