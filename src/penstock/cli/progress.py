"""How a run looks while it goes on: bars on a terminal (live.py), lines with times elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO

from penstock.cli import words
from penstock.cli.terminal import stderr
from penstock.client.runs import Watcher
from penstock.client.workloads import Rule, State, Workload
from penstock.errors import PenstockError

EVERY_S, TRANSFER_EVERY_S, WAITING_EVERY_S = 2.0, 10.0, 30.0
SHOW_READING = 64 << 20  # bytes
DONE = {"Reading": "Read", "Uploading": "Uploaded", "Downloading": "Downloaded"}
STATES = {
    State.UPLOADING: "Waiting for its inputs",
    State.PREPARING: "Preparing: the server checks the inputs",
    State.QUEUED: "Queued: waiting for room",
    State.RUNNING: "Running",
    State.PACKING: "Packing the results",
    State.CANCELING: "Being canceled",
}


@contextmanager
def watch() -> Iterator[Watcher]:
    """What shows a run on stderr."""
    console = stderr()
    if console.is_terminal and not console.is_dumb_terminal:
        from penstock.cli.live import Live

        with Live(console) as live:
            yield live
    else:
        yield Lines(console.file)


class Transfer:
    """A transfer under way, measured."""

    def __init__(self, what: str, size: int, files: int) -> None:
        self.what = what
        self.size = size
        self.files = files
        self.done = 0
        self._begun = time.monotonic()
        self._moved = 0

    def advance(self, size: int) -> None:
        """``size`` more bytes."""
        self.done += size

    @property
    def elapsed_s(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    @property
    def noticeable(self) -> bool:
        """Whether anybody has time to look: small files are read at once."""
        return self.what != "Reading" or self.size > SHOW_READING

    def summary(self) -> str:
        """One sentence at its end."""
        took = self.elapsed_s
        rate = f", {words.size(self.size / took)}/s" if took > 1 else ""
        done = DONE.get(self.what, self.what)
        return f"{done} {words.count(self.files, 'file')}, {words.size(self.size)} in {words.duration(took)}{rate}"


class Lines(Watcher):
    """One line with the time in UTC for each thing worth telling."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._told: dict[str, float] = {}
        self._transfer: Transfer | None = None
        self._last = ""

    def note(self, text: str) -> None:
        """A line."""
        with self._lock:
            moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._file.write(f"{moment}  {text}\n")
            self._file.flush()

    def done(self, text: str) -> None:
        """A line, too."""
        self.note(text)

    def begin(self, what: str, size: int, files: int) -> None:
        """Tell of it only if it takes long."""
        self._transfer = Transfer(what, size, files)
        self._told["transfer"] = time.monotonic()

    def advance(self, size: int) -> None:
        """How far it is, now and then."""
        transfer = self._transfer
        if transfer is None:
            return
        with self._lock:
            transfer.advance(size)
        if self._due("transfer", TRANSFER_EVERY_S):
            share = 100 * transfer.done // max(1, transfer.size)
            self.note(f"{transfer.what}: {share} % of {words.size(transfer.size)}")

    def end(self) -> None:
        """What it came to."""
        transfer, self._transfer = self._transfer, None
        if transfer is not None and transfer.noticeable:
            self.note(transfer.summary())

    def workload(self, workload: Workload) -> None:
        """Each new state; progress now and then."""
        text = describe(workload)
        state = f"{workload.state} {workload.reason or ''}: "
        new_state = not self._last.startswith(state)
        if text and f"{state}{text}" != self._last and (new_state or self._due("progress", EVERY_S)):
            self._last = f"{state}{text}"
            self._told["progress"] = time.monotonic()
            self.note(text)

    def waiting(self, error: PenstockError, left_s: float) -> None:
        """That the server is gone, now and then."""
        if self._due("waiting", WAITING_EVERY_S):
            self.note(waiting_text(error, left_s))

    def _due(self, what: str, every_s: float) -> bool:
        with self._lock:
            now = time.monotonic()
            if now - self._told.get(what, -every_s) < every_s:
                return False
            self._told[what] = now
            return True


def waiting_text(error: PenstockError, left_s: float) -> str:
    """What is waited for, and how long still."""
    return f"{error.message} Trying for {words.duration(left_s)} more."


def describe(workload: Workload) -> str:
    """A workload's state and progress in one line; nothing for an ended one, whose end is told elsewhere."""
    text = STATES.get(workload.state, "")
    if workload.state == State.PACKING and workload.reason:
        return workload.reason  # where the results are being sent to
    progress = workload.progress
    if workload.state != State.RUNNING or not (progress.total or progress.done or progress.running):
        return text
    parts = [f"{rule} {counted(entry)}" for rule, entry in progress.rules.items() if entry.running or entry.done]
    total = f"{counted(progress)} processes done, {progress.running} running"
    return f"{text}: {total}" + (f" ({', '.join(parts)})" if parts else "")


def counted(rule: Rule) -> str:
    """3/12, or 3 while nobody knows of how many."""
    return f"{rule.done}/{rule.total}" if rule.total else f"{rule.done}"
