"""Blocking work on files, a little at a time: two workloads may hash and copy at once, the others wait their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 2


class Threads:
    """A small pool. What runs in it looks at a Halt, or is short."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="workloads")
        self._running: set[asyncio.Future[Any]] = set()

    async def run(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a blocking call in a thread and wait for its end."""
        job = asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *arguments, **named))
        self._running.add(job)
        job.add_done_callback(self._running.discard)
        # Who waits may go away; what runs in the thread does not, and ``settle`` must know of it.
        return await asyncio.shield(job)

    async def settle(self) -> None:
        """Wait until nothing runs: somebody else is about to work on the same files."""
        if self._running:
            await asyncio.wait(self._running)

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(cancel_futures=True)
