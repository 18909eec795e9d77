"""The one retry policy of clients: exponential back-off while the server does not answer, up to a limit."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TypeVar

from penstock.clock import Deadline
from penstock.errors import Draining, PenstockError, StoreAway, Unreachable

T = TypeVar("T")
LONGEST_PAUSE_S = 10.0
UNANSWERED = (Unreachable, Draining, StoreAway)  # what was asked may have been done, or may be done by another try


class Stopped(Exception):
    """Another thread asked to stop; what was under way can be resumed."""


class Patience:
    """How long to go on without an answer. Each success starts the limit anew.

    Parameters
    ----------
    limit_s: seconds without any success after which the error is raised.
    tell: called with the error and the seconds left before each pause.
    first_pause_s: doubles with each further failure, up to 10 seconds.
    """

    def __init__(
        self, limit_s: float, tell: Callable[[PenstockError, float], None], *, first_pause_s: float = 0.5
    ) -> None:
        self.limit_s = limit_s
        self.tell = tell
        self.first_pause_s = first_pause_s
        self._stop = threading.Event()

    def stop(self) -> None:
        """End every wait of every thread."""
        self._stop.set()

    def go_on(self) -> None:
        """Take ``stop`` back, once every thread that it was meant for has ended."""
        self._stop.clear()

    def check(self) -> None:
        """Raise Stopped once ``stop`` was called."""
        if self._stop.is_set():
            raise Stopped

    def pause(self, seconds: float) -> None:
        """Wait; raise Stopped as soon as ``stop`` is called."""
        if self._stop.wait(seconds):
            raise Stopped

    def begin(self) -> Trial:
        """One thing to be tried until it succeeds."""
        return Trial(self)

    def insist(self, call: Callable[[], T]) -> T:
        """What ``call`` returns, called again while it raises one of UNANSWERED."""
        trial = self.begin()
        while True:
            try:
                return call()
            except UNANSWERED as error:
                trial.failed(error)


class Trial:
    """The failures in a row of one thing that is tried."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self.advanced()

    def advanced(self) -> None:
        """Something went forward: the limit and the pauses start anew."""
        self._deadline: Deadline | None = None
        self._pause_s = self._patience.first_pause_s

    def failed(self, error: PenstockError) -> None:
        """Wait before the next try; raises ``error`` when the limit is reached, Stopped when asked to stop."""
        self._patience.check()
        if self._deadline is None:
            self._deadline = Deadline.after(self._patience.limit_s)
        if self._deadline.passed:
            raise error
        self._patience.tell(error, self._deadline.remaining)
        # the spread keeps many clients from coming back in the same moment
        pause = min(self._pause_s * random.uniform(0.8, 1.2), self._deadline.remaining)  # noqa: S311 - no secret
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)
        self._patience.pause(pause)
