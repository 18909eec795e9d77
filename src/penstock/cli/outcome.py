"""Exit codes of the command line (docs/cli.md lists them)."""

from __future__ import annotations

from penstock.errors import (
    Draining,
    Forbidden,
    Gone,
    InputChanged,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    PenstockError,
    TooLarge,
    Unreachable,
)

SUCCEEDED, FAILED, WRONG_USE, CANCELED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130


class Interrupted(Exception):
    """Ctrl-C or SIGTERM, and what the user can do next; only the command line raises it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


_WRONG_USE = (InvalidInput, NotAuthenticated, Forbidden, NotFound, Gone, TooLarge, InputChanged)


def exit_code(error: PenstockError) -> int:
    """What a command ends with that was stopped by ``error``."""
    if isinstance(error, Unreachable | Draining):
        return UNREACHABLE
    return WRONG_USE if isinstance(error, _WRONG_USE) else FAILED


def workload_code(state: str, *, unsent: bool = False) -> int:
    """What a command ends with that waited for a workload: 0 only if it succeeded, and its results were sent."""
    if unsent:
        return FAILED
    return {"SUCCEEDED": SUCCEEDED, "ACKNOWLEDGED": SUCCEEDED, "CANCELED": CANCELED}.get(state, FAILED)
