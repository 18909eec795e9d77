"""How a run looks while it goes on."""

from __future__ import annotations

import contextlib
import io
import re
import time

import pytest
from rich.console import Console

from penstock.cli.live import Live
from penstock.cli.progress import Lines, Transfer, counted, describe, watch
from penstock.client.workloads import Progress, Rule, State, Workload
from penstock.errors import Unreachable

RULES = {"align": Rule(total=4, done=2, running=1), "call": Rule(total=2), "index": Rule(total=1, done=1)}
PROGRESS = Progress(total=7, done=3, running=1, rules=RULES)


def workload(state: State, of: Progress | None = None) -> Workload:
    return Workload(id="w1", pipeline="count", state=state, progress=of or Progress())


@pytest.fixture
def file() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(file: io.StringIO) -> Lines:
    return Lines(file)


def said(file: io.StringIO) -> list[str]:
    """The lines without their times, which must be there."""
    found = file.getvalue().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ  ", line) for line in found)
    return [line[22:] for line in found]


def test_a_state_is_described_in_words() -> None:
    assert describe(workload(State.PREPARING)) == "Preparing: the server checks the inputs"
    assert describe(workload(State.RUNNING)) == "Running"
    assert describe(workload(State.SUCCEEDED)) == ""


def test_where_results_are_sent_to_is_told_as_soon_as_that_begins(lines: Lines, file: io.StringIO) -> None:
    packing = workload(State.PACKING)
    for one in (packing, packing.model_copy(update={"reason": "Sending the results to s3://lab/x/."})):
        lines.workload(one)
    assert said(file) == ["Packing the results", "Sending the results to s3://lab/x/."]


def test_progress_is_told_by_rule_once_something_of_it_has_begun() -> None:
    expected = "Running: 3/7 processes done, 1 running (align 2/4, index 1/1)"
    assert describe(workload(State.RUNNING, PROGRESS)) == expected


def test_a_total_that_nobody_knows_is_left_out() -> None:
    assert counted(Rule(done=3)) == "3"
    assert counted(Rule(total=5, done=3)) == "3/5"


def test_a_transfer_is_summed_up_with_its_rate_if_it_took_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    transfer = Transfer("Uploading", 3_000_000, 2)
    now = 100.5
    assert transfer.summary() == "Uploaded 2 files, 3.00 MB in 0.5 s"
    now = 103.0
    assert transfer.summary() == "Uploaded 2 files, 3.00 MB in 3.0 s, 1.00 MB/s"


def test_each_new_state_is_a_line_and_the_same_again_is_none(lines: Lines, file: io.StringIO) -> None:
    for state in (State.PREPARING, State.PREPARING, State.QUEUED, State.RUNNING, State.SUCCEEDED):
        lines.workload(workload(state))
    assert said(file) == ["Preparing: the server checks the inputs", "Queued: waiting for room", "Running"]


def test_progress_is_told_now_and_then_only(lines: Lines, file: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for done in range(5):
        lines.workload(workload(State.RUNNING, Progress(total=9, done=done, running=1)))
        now += 0.5
    assert said(file) == ["Running: 0/9 processes done, 1 running", "Running: 4/9 processes done, 1 running"]


def test_a_long_transfer_is_told_now_and_then(lines: Lines, file: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    lines.begin("Uploading", 4_000_000, 1)
    for _ in range(4):
        now += 6
        lines.advance(1_000_000)
    lines.end()
    assert said(file) == [
        "Uploading: 50 % of 4.00 MB",
        "Uploading: 100 % of 4.00 MB",
        "Uploaded 1 file, 4.00 MB in 24.0 s, 167 kB/s",
    ]


def test_reading_small_files_is_not_worth_a_line(lines: Lines, file: io.StringIO) -> None:
    lines.begin("Reading", 5000, 2)
    lines.advance(5000)
    lines.end()
    assert said(file) == []


def test_a_server_that_is_gone_is_told_now_and_then(
    lines: Lines, file: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(4):
        lines.waiting(Unreachable("No answer."), 600 - now)
        now += 10
    assert said(file) == [
        "No answer. Trying for 8 min 20 s more.",
        "No answer. Trying for 7 min 50 s more.",
    ]


def test_without_a_terminal_lines_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    with watch() as watcher:
        watcher.note("hello")
        watcher.done("complete")
    err = capsys.readouterr().err
    assert "hello" in err
    assert "complete" in err
    assert "\x1b" not in err


class Screen:
    """A terminal in memory."""

    def __init__(self) -> None:
        self.file = io.StringIO()
        self.console = Console(file=self.file, force_terminal=True, width=90, height=30, color_system=None)

    def text(self) -> str:
        """All that was ever drawn, without control characters."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.file.getvalue())


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_a_transfer_is_a_bar_that_a_line_with_a_tick_replaces(screen: Screen) -> None:
    with Live(screen.console) as live:
        live.begin("Uploading", 2_000_000, 3)
        live.advance(1_000_000)
        live.advance(1_000_000)
        live.end()
    shown = screen.text()
    assert "Uploading ━" in shown
    assert re.search(r"✓ Uploaded 3 files, 2.00 MB in [\d.]+ s$", shown.rstrip())


def test_each_rule_has_its_bar_with_what_is_done_and_running(screen: Screen) -> None:
    with Live(screen.console) as live:
        live.workload(workload(State.QUEUED))
        live.workload(workload(State.RUNNING, PROGRESS))
        live.workload(workload(State.PACKING, Progress(total=7, done=7)))
    shown = screen.text()
    assert "Queued: waiting for room" in shown
    for rule, counts in (("align", "2/4"), ("call", "0/2"), ("index", "1/1")):
        assert re.search(rf"{rule} +[━╸╺ ]+ {counts}", shown)
    assert re.search(r"✓ Ran 7 processes in [\d.]+ s", shown)


def test_an_outage_is_shown_below_the_bars_until_it_is_over(screen: Screen) -> None:
    with Live(screen.console) as live:
        live.workload(workload(State.RUNNING, PROGRESS))
        live.waiting(Unreachable("No answer from http://here: Connection refused."), 540)
        before = len(screen.text())
        assert live._waiting
        live.workload(workload(State.RUNNING, PROGRESS))
        assert not live._waiting
    assert len(screen.text()) >= before


def test_an_outage_before_anything_else_is_shown_too(screen: Screen) -> None:
    with Live(screen.console) as live:
        live.waiting(Unreachable("No answer from http://here."), 540)
    assert "No answer from http://here." in screen.text()
    assert "Trying for 9 min 00 s more." in screen.text()


def test_nothing_moves_any_more_after_the_end(screen: Screen) -> None:
    with contextlib.suppress(KeyboardInterrupt), Live(screen.console) as live:
        live.begin("Downloading", 10, 1)
        raise KeyboardInterrupt
    assert screen.file.getvalue().count("\x1b[?25l") == screen.file.getvalue().count("\x1b[?25h") == 1
