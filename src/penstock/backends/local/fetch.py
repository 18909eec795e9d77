"""Runs the transfers of an attempt as a program of its own, which can be ended at any moment."""

from __future__ import annotations

import json
import os
import select
import signal

from penstock.backends.attempt.failure import Failure, lost
from penstock.backends.local.sandbox import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import Plan

REPORT = "transfers.json"
CREDENTIALS = "storage.json"


def fetch(plan: Plan, watch: Watch) -> list[str]:
    """Fetch every remote input; lines for the system log. Failure when one cannot be had or the runner must end."""
    os.makedirs("inputs", exist_ok=True)
    program = os.posix_spawn(
        plan["fetch"][0], plan["fetch"], dict(os.environ), setsigdef=[signal.SIGPIPE, signal.SIGTERM]
    )
    stopped = _wait(program, watch)
    _, status = os.waitpid(program, 0)
    if os.path.exists(CREDENTIALS):
        os.unlink(CREDENTIALS)
    if stopped:
        raise Failure("CANCELED", "The attempt was ended.")
    if os.waitstatus_to_exitcode(status) != 0:
        raise lost("The transfer program failed; its words are in the runner's log.")
    with open(REPORT, encoding="utf-8") as file:
        report = json.load(file)
    if report["outcome"]:
        raise Failure(report["outcome"], report["reason"])
    lines: list[str] = report["lines"]
    return lines


def _wait(program: int, watch: Watch) -> bool:
    ended = os.pidfd_open(program)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(watch.wakeup, select.POLLIN)
    try:
        poll.poll()
        if watch.asked():
            os.kill(program, signal.SIGKILL)
        return watch.stopped
    finally:
        os.close(ended)
