"""Several transfers at once; the first real error ends all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from penstock.client.patience import Patience, Stopped
from penstock.errors import PenstockError

T = TypeVar("T")
R = TypeVar("R")
THREADS = 3


def at_once(work: Callable[[T], R], items: Sequence[T], patience: Patience) -> list[R]:
    """What ``work`` returns for each item, in order. When one fails the others are told to stop."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="transfer")
    futures = [pool.submit(work, item) for item in items]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
        results = _results(futures)
    except (PenstockError, OSError):
        patience.stop()
        pool.shutdown(cancel_futures=True)
        patience.go_on()
        raise
    except BaseException:  # an interruption: who exits does not wait for a socket
        patience.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return results


def _results(futures: list[Future[R]]) -> list[R]:
    for future in futures:
        error = future.exception() if future.done() and not future.cancelled() else None
        if error is not None and not isinstance(error, Stopped | CancelledError):
            raise error
    return [future.result() for future in futures]
