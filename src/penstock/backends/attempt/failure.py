"""How the runner says that an attempt cannot go on. Its own small class: the runner starts for every task."""

from __future__ import annotations


class Failure(Exception):
    """The attempt ends here. ``outcome`` is one of ``penstock.tasks.models.Outcome``."""

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def system_error(reason: str) -> Failure:
    """Final: the task itself asks for what cannot be."""
    return Failure("SYSTEM_ERROR", reason)


def lost(reason: str) -> Failure:
    """The task may be right; another attempt may succeed."""
    return Failure("LOST", reason)
