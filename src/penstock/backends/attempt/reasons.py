"""Why an executor failed, in words for its user; the same for every backend. Imported by the runner for every task."""

from __future__ import annotations

from penstock.backends.attempt.failure import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import ExecutorResult

KILLED = 137  # 128 + SIGKILL
_GIGABYTE = 10**9


def why(position: int, program: str, result: ExecutorResult, ram_bytes: int) -> Failure:
    """Why the executor at ``position`` (from 1) ended with a code that is not 0."""
    code, peak = result["exit_code"], result["peak_bytes"]
    if code == KILLED and peak > ram_bytes:
        used, allowed = f"{peak / _GIGABYTE:.2f}", f"{ram_bytes / _GIGABYTE:g}"
        return executor_error(
            f"out of memory: executor {position} was killed when it used {used} GB; ram_gb is {allowed}."
        )
    if code in (126, 127):
        what = "was not found" if code == 127 else "cannot be executed"
        return executor_error(f"Executor {position} ended with exit code {code}: {program!r} {what}.")
    return executor_error(f"Executor {position} ended with exit code {code}.")


def overtime(position: int, limit_s: int | None) -> Failure:
    """The time limit ended it."""
    return executor_error(f"Executor {position} was ended after {limit_s} s: time_limit_s is {limit_s}.")


def out_of_memory(position: int, ram_bytes: int) -> Failure:
    """The system killed it for using more than it may."""
    limit = f"{ram_bytes / _GIGABYTE:.1f}" if ram_bytes >= _GIGABYTE / 10 else f"{ram_bytes / _GIGABYTE:g}"
    return executor_error(f"out of memory: limit {limit} GB (executor {position}); ask for more by ram_gb.")


def executor_error(reason: str) -> Failure:
    """Final: what the task runs went wrong."""
    return Failure("EXECUTOR_ERROR", reason)
