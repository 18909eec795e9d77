"""Blocking work on files, a little at a time: two workloads may hash and copy at once, the others wait their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 2


class Threads:
    """A small pool. What runs in it looks at a Halt, or is short."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="workloads")

    async def run(self, call: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a blocking call in a thread and wait for its end."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(call, *arguments, **named))

    def close(self) -> None:
        """Let go of the threads."""
        self._pool.shutdown(cancel_futures=True)
