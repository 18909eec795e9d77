"""A run on a terminal: bars that move, and one line for each thing that is done."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress_bar import ProgressBar
from rich.text import Text

from penstock.cli import words
from penstock.cli.progress import STATES, Transfer, counted, waiting_text
from penstock.client.runs import Watcher
from penstock.client.workloads import Rule, State, Workload
from penstock.errors import PenstockError


class Live(Watcher):
    """Shows one thing at a time. Entered and left like a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.RLock()
        self._bars: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._transfer: Transfer | None = None
        self._state: State | None = None
        self._ran_since = 0.0

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def note(self, text: str) -> None:
        """A line above what moves."""
        console = self._bars.console if self._bars else self._console
        console.print(Text(text))

    def done(self, text: str) -> None:
        """A line with a tick."""
        console = self._bars.console if self._bars else self._console
        console.print(Text.assemble(("✓ ", "green"), text))

    def begin(self, what: str, size: int, files: int) -> None:
        """A bar with rate and time left."""
        with self._lock:
            self._clear()
            self._transfer = Transfer(what, size, files)
            if self._transfer.noticeable:
                self._bars = _transfer_bars(self._console)
                self._rows["transfer"] = self._bars.add_task(what, total=size)
                self._bars.start()

    def advance(self, size: int) -> None:
        """Move the bar."""
        with self._lock:
            if self._transfer is not None:
                self._transfer.advance(size)
            if self._bars is not None and "transfer" in self._rows:
                self._drop("waiting")
                self._bars.advance(self._rows["transfer"], size)

    def end(self) -> None:
        """Replace the bar by a line."""
        with self._lock:
            transfer, self._transfer = self._transfer, None
            self._clear()
            if transfer is not None and transfer.noticeable:
                self.done(transfer.summary())

    def workload(self, workload: Workload) -> None:
        """A line with the state, and a bar for each rule."""
        with self._lock:
            if self._state == State.RUNNING != workload.state:
                self._tell_processes(workload)
            if workload.state != self._state:
                self._clear()
                self._state = workload.state
                self._ran_since = time.monotonic()
            if workload.state in STATES:
                self._show(workload)

    def waiting(self, error: PenstockError, left_s: float) -> None:
        """What is waited for, below the bars."""
        with self._lock:
            if self._bars is None:
                self._bars = _process_bars(self._console)
                self._bars.start()
            text = f"[yellow]{waiting_text(error, left_s)}"
            if "waiting" in self._rows:
                self._bars.update(self._rows["waiting"], description=text)
            else:
                self._rows["waiting"] = self._bars.add_task(text, total=None, counts="", running="")

    def _show(self, workload: Workload) -> None:
        if self._bars is None:
            self._bars = _process_bars(self._console)
            self._bars.start()
        self._drop("waiting")
        title = f"[bold]{STATES[workload.state]}"
        whole = workload.progress if workload.state == State.RUNNING else Rule()
        self._row("state", title, whole)
        if workload.state == State.RUNNING:
            for name, rule in workload.progress.rules.items():
                self._row(f"rule {name}", f"  {name}", rule)

    def _row(self, key: str, title: str, rule: Rule) -> None:
        if self._bars is None:
            return
        running = f"{rule.running} running" if rule.running else ""
        counts = counted(rule) if rule.total or rule.done else ""
        if key not in self._rows:
            self._rows[key] = self._bars.add_task(title, total=None, counts="", running="")
        self._bars.update(
            self._rows[key], description=title, total=rule.total, completed=rule.done, counts=counts, running=running
        )

    def _drop(self, key: str) -> None:
        row = self._rows.pop(key, None)
        if row is not None and self._bars is not None:
            self._bars.remove_task(row)

    def _tell_processes(self, workload: Workload) -> None:
        self._clear()
        took = words.duration(time.monotonic() - self._ran_since)
        if workload.progress.done:
            self.done(f"Ran {words.count(workload.progress.done, 'process', 'processes')} in {took}")

    def _clear(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._rows.clear()


class _Bar(BarColumn):
    """Nothing while nobody knows how much there is to do: the spinner says that it goes on."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        if task.total is None:
            bar.width = 0
        return bar


def _transfer_bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )


def _process_bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}"),
        _Bar(bar_width=24),
        TextColumn("{task.fields[counts]}", justify="right"),
        TextColumn("[cyan]{task.fields[running]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
