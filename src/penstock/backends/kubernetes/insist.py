"""Calls to the API server that are made until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from penstock.backends.kubernetes.attempt import Attempt
from penstock.clock import Deadline
from penstock.errors import Forbidden, Unreachable

T = TypeVar("T")
_QUOTA = "exceeded quota"


async def insist(call: Callable[[], Awaitable[T]], give_up_s: float, attempt: Attempt | None = None) -> T:
    """Call it again while the API server cannot be reached or a quota is used up; ended with its attempt."""
    deadline = Deadline.after(give_up_s)

    async def once() -> T:  # tenacity awaits only what is declared so
        return await call()

    def again(error: BaseException) -> bool:
        if attempt is not None and attempt.ending:
            return False
        return isinstance(error, Unreachable) or (isinstance(error, Forbidden) and _QUOTA in str(error))

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(again),
        stop=lambda _state: deadline.passed,
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=5),
        reraise=True,
    )
    return await retrying(once)
