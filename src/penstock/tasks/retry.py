"""What becomes of a task when an attempt ends: the table of causes of design.md, section 4, as a pure function."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.clock import MICROSECONDS
from penstock.tasks.models import Attempt, AttemptLog, FileType, Outcome, State, Task

LONGEST_BACKOFF_S = 300.0
# Why an attempt is lost that its agent had not begun when it was killed. It does not count against the task's attempts:
# nothing is wrong with that task. Unless it happens again and again, as it would if the task were what kills the agent.
GIVEN_BACK = "its agent came back without it, and had not told of a start"
MOST_GIVEN_BACK = 10


@dataclass(frozen=True)
class Verdict:
    """The task's next state, why, and (when it is queued again) how long it waits first."""

    state: State
    reason: str
    backoff_us: int = 0


def verdict(task: Task, outcome: Outcome, reason: str, log: AttemptLog, backoff_s: float) -> Verdict:
    """``task`` is as it was when the attempt (its last) ended with ``outcome``."""
    if task.state is State.CANCELING or outcome is Outcome.CANCELED:
        return Verdict(State.CANCELED, "Canceled.")
    if outcome is Outcome.LOST:
        return _again(task, reason, backoff_s) or Verdict(State.SYSTEM_ERROR, _all_reasons(task, reason))
    if outcome is Outcome.EXECUTOR_ERROR and _exit_code(log) in task.terms.retry_on_exit:
        again = _again(task, reason, backoff_s)
        if again is not None:
            return again
    return Verdict(State(outcome.value), reason or _plain(outcome))


def _again(task: Task, reason: str, backoff_s: float) -> Verdict | None:
    given_back = [one.reason for one in task.attempts[:-1]].count(GIVEN_BACK) + (reason == GIVEN_BACK)
    number = task.attempts[-1].number - min(given_back, MOST_GIVEN_BACK)
    if number >= task.terms.attempts:
        return None
    wait = min(LONGEST_BACKOFF_S, backoff_s * 2 ** max(0, number - 1))
    which = "An attempt" if reason == GIVEN_BACK else f"Attempt {number} of {task.terms.attempts}"
    return Verdict(State.QUEUED, f"{which} was lost ({reason.rstrip('.')}); trying again.", int(wait * MICROSECONDS))


def _all_reasons(task: Task, last: str) -> str:
    earlier = [attempt.reason for attempt in task.attempts[:-1]]
    told = "; ".join(f"{number}: {text.rstrip('.')}" for number, text in enumerate([*earlier, last], 1))
    return f"All {task.terms.attempts} attempts were lost: {told}."


def _exit_code(log: AttemptLog) -> int | None:
    return log.executors[-1].exit_code if log.executors else None


def _plain(outcome: Outcome) -> str:
    return "" if outcome is Outcome.COMPLETE else f"The attempt ended as {outcome.value}."


def published(attempt: Attempt) -> AttemptLog:
    """The log as the world sees it once its outputs are in their places: files only, without their sources."""
    files = [output for output in attempt.log.outputs if output.type is FileType.FILE]
    return attempt.log.model_copy(update={"outputs": [one.model_copy(update={"source": None}) for one in files]})
