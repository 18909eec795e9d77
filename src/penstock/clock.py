"""Time: integer microseconds UTC for what is stored, one deadline object for what is waited for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

MICROSECONDS = 1_000_000
A_DAY = 86_400.0  # seconds: as long as a wait that only an event should end


# The machine's time is taken once, and from then on only counted: a jump of the machine's clock in either direction
# must end no lease, expire no token, forget no task and turn no order round. While the machine sleeps it counts on.
_START_NS = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def now_us() -> int:
    """Microseconds since the epoch, UTC, which never go back while this process lives."""
    return (_START_NS + time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1000


def iso(moment_us: int) -> str:
    """RFC 3339 with microseconds, as TES wants times."""
    return (
        datetime.fromtimestamp(moment_us / MICROSECONDS, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    )


@dataclass(frozen=True)
class Deadline:
    """A moment after which waiting ends; made at the edge and passed down."""

    at: float  # of time.monotonic(), seconds

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The moment ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left; 0 when it has passed."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return self.remaining == 0.0
