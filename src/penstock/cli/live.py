"""A run on a terminal: bars that move, and one line for each thing that is done."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
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
    """Shows one thing at a time, redrawn by a thread of rich. Entered and left like a file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.RLock()
        self._screen: Screen | None = None
        self._bars: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._waiting = ""
        self._transfer: Transfer | None = None
        self._state: State | None = None
        self._since = time.monotonic()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def note(self, text: str) -> None:
        """A line above what moves."""
        self._console.print(Text(text))

    def done(self, text: str) -> None:
        """A line with a tick."""
        self._console.print(Text.assemble(("✓ ", "green"), text))

    def begin(self, what: str, size: int, files: int) -> None:
        """A bar with rate and time left."""
        with self._lock:
            self._clear()
            self._transfer = Transfer(what, size, files)
            if self._transfer.noticeable:
                self._show(_transfer_bars(self._console)).add_task(what, total=size)

    def advance(self, size: int) -> None:
        """Move the bar."""
        with self._lock:
            self._waiting = ""
            if self._transfer is not None:
                self._transfer.advance(size)
                if self._bars is not None:
                    self._bars.update(self._bars.task_ids[0], completed=self._transfer.done)

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
            self._waiting = ""
            if workload.state != self._state:
                self._clear()
                if self._state == State.RUNNING and workload.progress.done:
                    ran = words.count(workload.progress.done, "process", "processes")
                    self.done(f"Ran {ran} in {words.duration(time.monotonic() - self._since)}")
                self._state, self._since = workload.state, time.monotonic()
            if workload.state in STATES:
                self._show_workload(workload)

    def waiting(self, error: PenstockError, left_s: float) -> None:
        """What is waited for, below the bars."""
        with self._lock:
            self._waiting = waiting_text(error, left_s).replace(". ", ".\n")
            if self._screen is None:
                self._show(_process_bars(self._console))

    def _show(self, bars: Progress) -> Progress:
        self._bars = bars
        self._screen = Screen(console=self._console, transient=True, get_renderable=self._render)
        self._screen.start()
        return bars

    def _render(self) -> RenderableType:
        shown: list[RenderableType] = [self._bars] if self._bars is not None else []
        if self._waiting:
            shown.append(Text(self._waiting, style="yellow"))
        return Group(*shown)

    def _show_workload(self, workload: Workload) -> None:
        bars = self._bars if self._bars is not None else self._show(_process_bars(self._console))
        running = workload.state == State.RUNNING
        self._row(bars, "", f"[bold]{STATES[workload.state]}", workload.progress if running else Rule())
        for name, rule in workload.progress.rules.items() if running else ():
            self._row(bars, name, f"  {name}", rule)

    def _row(self, bars: Progress, key: str, title: str, rule: Rule) -> None:
        running = f"{rule.running} running" if rule.running else ""
        counts = counted(rule) if rule.total or rule.done else ""
        if key not in self._rows:
            self._rows[key] = bars.add_task(title, total=None, counts="", running="")
        bars.update(self._rows[key], total=rule.total, completed=rule.done, counts=counts, running=running)

    def _clear(self) -> None:
        if self._screen is not None:
            self._screen.stop()
        self._screen = self._bars = None
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
    )
