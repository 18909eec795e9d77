"""The end of an attempt in the database: noted first, settled when its outputs are in their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from penstock.clock import now_us
from penstock.database.moment import moment
from penstock.staging.urls import is_remote
from penstock.tasks import leases, metrics, store
from penstock.tasks.models import LIVE, Attempt, AttemptLog, Outcome, State, Task
from penstock.tasks.publish import needs_publishing
from penstock.tasks.retry import published, verdict

log = structlog.get_logger(__name__)
_LIVE = ("leased", "started")  # states of attempts


@dataclass(frozen=True)
class End:
    """What an agent says of an attempt's end; ``started_us`` when it says in the same breath that it had started."""

    at_us: int
    outcome: Outcome
    reason: str
    log: AttemptLog
    started_us: int | None = None


@dataclass(frozen=True)
class Settled:
    """What an attempt's end has come to; to be told once it is durable."""

    task: Task  # as it was before
    attempt: Attempt
    outcome: Outcome
    state: State  # of the task, now

    def tell(self) -> None:
        """Count and log it."""
        metrics.ended(self.attempt, self.outcome)
        told = {"task": self.task.id, "attempt": self.attempt.id, "outcome": self.outcome.value}
        log.info("attempt ended", **told, state=self.state.value)


def note(connection: Connection, task: Task, one: Attempt, end: End, backoff_s: float) -> Settled | None:
    """Note the end of a live attempt. It is settled with that, unless it has outputs to publish before."""
    told = {
        "reason": f"{end.outcome.value} {end.reason}",
        "ended_us": end.at_us,
        "log": end.log,
        "started_us": one.started_us or end.started_us,
    }
    if needs_publishing(end.log.outputs):
        leases.set_attempt(connection, one.id, _LIVE, state="finished", **told)
        if end.started_us is not None and any(is_remote(output.url) for output in end.log.outputs):
            first = {} if task.started_us else {"started_us": end.started_us}  # seen meanwhile: sending may take long
            store.move(connection, task.id, [State.INITIALIZING], State.RUNNING, "", attempt=one.number, **first)
        return None
    return settle(connection, task, one.model_copy(update=told), backoff_s, states=_LIVE)


def settle_noted(connection: Connection, attempt: str, backoff_s: float, trouble: str = "") -> Settled | None:
    """Settle an attempt whose end is noted, unless another server, which was asked to do it too, was faster."""
    found = leases.current(connection, attempt)
    if found is None or found[1].outcome is not None:
        return None
    return settle(connection, *found, backoff_s, trouble)


def settle(
    connection: Connection,
    task: Task,
    one: Attempt,
    backoff_s: float,
    trouble: str = "",
    states: Sequence[str] = ("finished",),
) -> Settled:
    """The outcome of an attempt that is in one of ``states``, and its task's next state, in one transaction.

    The reason of ``one`` begins with the outcome that its agent told; ``trouble`` is why outputs were not published.
    """
    name, _, reason = one.reason.partition(" ")
    outcome = Outcome.SYSTEM_ERROR if trouble and name == Outcome.COMPLETE else Outcome(name)
    next_step = verdict(task, outcome, trouble or reason, one.log, backoff_s)
    state = "lost" if outcome is Outcome.LOST else "finished"
    told = {
        "outcome": outcome,
        "reason": trouble or reason,
        "log": published(one),
        "ended_us": max(one.ended_us or now_us(), one.started_us or 0),  # the agent's clock may be another one
    }
    leases.set_attempt(connection, one.id, states, state=state, started_us=one.started_us, **told)
    values = {"not_before_us": moment(connection) + next_step.backoff_us} if next_step.backoff_us else {}
    if one.started_us and not task.started_us:
        values["started_us"] = one.started_us
    store.move(connection, task.id, LIVE, next_step.state, next_step.reason, attempt=one.number, **values)
    return Settled(task, one, outcome, next_step.state)
