"""The runner: carries one attempt and outlives the agent. ``launch`` starts it; ``main`` may also follow a fork.

It stages, runs the executors in order, collects the outputs and writes ``result.json``. SIGTERM ends it early. Files in
the attempt's directory are what counts; the datagrams to the agent only save it from looking.
"""

from __future__ import annotations

import _socket  # the module socket takes 3 ms more to import, for every task
import ctypes
import json
import os
import signal
import time

from penstock.backends.attempt.collect import collect
from penstock.backends.attempt.failure import Failure
from penstock.backends.attempt.reasons import overtime, why
from penstock.backends.attempt.stage import Staged, stage
from penstock.backends.local.sandbox import Watch, execute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import Log, Plan, Result

LOCK = 3  # the descriptor on which the agent hands over the held lock
_PR_SET_CHILD_SUBREAPER = 36
_MOST_DESCRIPTORS = 1 << 20


def main(directory: str) -> None:
    """Run the attempt whose plan lies in ``directory``."""
    os.chdir(directory)
    os.umask(0o027)
    os.closerange(LOCK + 1, _MOST_DESCRIPTORS)  # what a service manager or shell left open is not for sandboxes
    os.set_inheritable(LOCK, False)
    os.pwrite(LOCK, f"{os.getpid()}\n".encode(), 0)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open("plan.json", encoding="utf-8") as file:
        plan: Plan = json.load(file)
    _notify(plan)
    _write("result.json", _Attempt(plan, Watch(_wakeup())).run())
    _notify(plan)


class _Attempt:
    def __init__(self, plan: Plan, watch: Watch) -> None:
        self._plan = plan
        self._watch = watch
        self._log: Log = {"executors": [], "outputs": [], "system_logs": list(plan["system_logs"])}
        self._since_ns = time.time_ns() - time.monotonic_ns()  # an end is after its start, whatever the clock does

    def run(self) -> Result:
        """Everything, in order. What fails becomes the outcome; a bug ends the runner and loses the attempt."""
        outcome, reason = "COMPLETE", ""
        try:
            self._run()
        except Failure as failure:
            outcome, reason = failure.outcome, failure.reason
        except OSError as error:
            outcome, reason = "LOST", f"The runner failed: {error}."
        if reason:
            self._log["system_logs"].append(reason)
        return {"outcome": outcome, "reason": reason, "at_us": self._now_us(), "log": self._log}

    def _run(self) -> None:
        if self._plan["transfers"]:
            from penstock.backends.local.fetch import fetch

            self._log["system_logs"] += fetch(self._plan, self._watch)
        staged = stage(self._plan)
        self._check_stopped()
        failure = self._executors(staged)
        self._check_stopped()
        problem = self._collect(staged)
        if failure is not None:
            raise failure
        if problem is not None:
            raise problem

    def _executors(self, staged: Staged) -> Failure | None:
        """Run them until one fails; returns why it did."""
        limit = self._plan["time_limit_s"]
        if limit is not None:
            self._watch.limit = time.monotonic() + limit
        _write("started", {"at_us": self._now_us()})
        _notify(self._plan)
        for position, command in enumerate(self._plan["executors"], start=1):
            finished = execute(staged, self._plan["sandbox"], command, self._watch)
            self._log["executors"].append(finished.result)
            if self._watch.stopped:
                return None
            if finished.overtime:
                return overtime(position, limit)
            if finished.result["exit_code"] != 0 and not command["ignore_error"]:
                return why(position, command["command"][0], finished.result, self._plan["ram_bytes"])
        return None

    def _collect(self, staged: Staged) -> Failure | None:
        collection = collect(self._plan, staged.view)
        self._log["outputs"] = collection.outputs
        self._log["system_logs"] += collection.logs
        return collection.problem

    def _now_us(self) -> int:
        return (self._since_ns + time.monotonic_ns()) // 1000

    def _check_stopped(self) -> None:
        if self._watch.asked():
            raise Failure("CANCELED", "The attempt was ended.")


def _wakeup() -> int:
    """A descriptor that becomes readable when this process is asked to end."""
    source, sink = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: None)
    return source


def _write(path: str, value: object) -> None:
    """Appears whole or not at all. After a power cut it may be empty: then the attempt counts as lost."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(path + ".part", path)


def _notify(plan: Plan) -> None:
    """Tell the agent to look, if there is one."""
    folder, _, name = plan["notify"].rpartition("/")
    sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)  # an address has room for 107 bytes only (unix(7))
        sender.settimeout(1.0)
        sender.sendto(plan["attempt"].encode(), f"/proc/self/fd/{descriptor}/{name}")
        os.close(descriptor)
    except OSError:  # no agent now: the next one looks by itself
        pass
    finally:
        sender.close()
