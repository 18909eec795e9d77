"""A file on its way here, over as many requests as it takes: written, digested, limited, and resumed where it was cut.

InvalidInput: the URL itself is wrong, and stays so. Unreachable: it may work another time, or does not end in time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import tenacity

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.urls import shown

MOST_FAILURES = 5  # in a row, without a new byte
LONGEST_PAUSE_S = 15.0
LARGEST = 1 << 40
T = TypeVar("T")


@dataclass(frozen=True)
class Fetched:
    """A file that has arrived whole."""

    size_bytes: int
    sha256: str


class Arrival:
    """What has come of one file. ``validator`` is what the origin calls this state of it (an ETag, for example)."""

    def __init__(self, url: str, file: BinaryIO, deadline: Deadline, largest: int) -> None:
        self.url = shown(url)
        self.size = 0
        self.validator: str | None = None
        self.failures = 0
        self._file = file
        self._deadline = deadline
        self._largest = largest
        self._digest = hashlib.sha256()

    def expect(self, size: int) -> None:
        """Refuse a file that says it is too large, before its bytes come."""
        if size > self._largest:
            raise InvalidInput(f"{self.url} has {size} bytes; at most {self._largest} are allowed.")

    def take(self, chunk: bytes) -> None:
        """More bytes."""
        self.expect(self.size + len(chunk))
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)
        self.failures = 0
        if self._deadline.passed:
            raise Unreachable(f"{self.url} was not fetched in time; {self.size} bytes had come.")

    def restart(self) -> None:
        """Forget what has come."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0
        self.validator = None
        self._digest = hashlib.sha256()

    def result(self) -> Fetched:
        """The whole file."""
        self._file.flush()
        return Fetched(self.size, self._digest.hexdigest())


def arrive(
    url: str,
    target: Path,
    deadline: Deadline,
    go_on: Callable[[Arrival], None],
    *,
    largest: int = LARGEST,
    longest_pause_s: float = LONGEST_PAUSE_S,
) -> Fetched:
    """Fetch ``url`` into the new file ``target``: ``go_on`` is called until the file is whole."""
    with target.open("xb+") as file:
        arrival = Arrival(url, file, deadline, largest)

        def once() -> None:
            arrival.failures += 1
            go_on(arrival)

        _retrying(lambda: arrival.failures >= MOST_FAILURES, deadline, longest_pause_s)(once)
        return arrival.result()


def insist(
    call: Callable[[], T], deadline: Deadline, *, most: int = MOST_FAILURES, longest_pause_s: float = LONGEST_PAUSE_S
) -> T:
    """Call until it works, fails for good, or is not Unreachable any more; at most ``most`` times."""
    failures = 0

    def once() -> T:
        nonlocal failures
        failures += 1
        return call()

    return _retrying(lambda: failures >= most, deadline, longest_pause_s)(once)


def _retrying(given_up: Callable[[], bool], deadline: Deadline, longest_pause_s: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(Unreachable),
        stop=lambda _state: given_up() or deadline.passed,
        wait=tenacity.wait_random_exponential(multiplier=0.5, max=longest_pause_s),
        reraise=True,
    )
