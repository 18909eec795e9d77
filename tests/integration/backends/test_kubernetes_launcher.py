"""The launcher of pods in namespaces of its own, without a cluster: turns, exit codes, streams, what it tells."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.waiting import until

from penstock.backends.kubernetes.manifest import SCRIPT

GO, SKIP = "go\n", "skip\n"


@dataclass
class Launcher:
    """Steps in a folder that stands for the pod's volumes."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("steps", "run", "launcher/bin"):
            (self.folder / name).mkdir(parents=True)
        busybox = shutil.which("busybox")
        assert busybox is not None
        (self.folder / "launcher/bin/busybox").symlink_to(busybox)

    def start(
        self, *command: str, step: int = 0, last: int = 0, ignore: int = 0, limit: str = "", streams: str = "||"
    ) -> subprocess.Popen[bytes]:
        """One step, as PID 1 of its own."""
        script = SCRIPT.replace("/.penstock", str(self.folder))
        script = script.replace("/dev/termination-log", str(self.folder / f"told.{step}"))
        alone = ["bwrap", "--die-with-parent", "--unshare-pid", "--as-pid-1"]
        alone += ["--bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        words = [str(step), str(last), str(ignore), limit, *streams.split("|"), *command]
        busybox = str(self.folder / "launcher/bin/busybox")
        return subprocess.Popen([*alone, "--", busybox, "sh", "-c", script, "launcher", *words])

    def run(self, *command: str, **more: str | int) -> list[str]:
        """One step to its end; what it told, by word."""
        self.start(*command, **more).wait(30)  # type: ignore[arg-type]  # as start
        return self.told(int(more.get("step", 0)))

    def told(self, step: int = 0) -> list[str]:
        """What a step told."""
        return (self.folder / f"told.{step}").read_text().split()

    def stream(self, name: str, step: int = 0) -> str:
        """What is kept of a stream."""
        return (self.folder / "run" / f"{step}.{name}").read_text()


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    """An empty pod."""
    return Launcher(tmp_path)


def test_it_tells_times_code_and_use(launcher: Launcher) -> None:
    before = time.time()
    start, end, code, user, system, peak, _kills, over = launcher.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert before - 2 < int(start) / 1e6 <= int(end) / 1e6 < time.time() + 1
    assert (code, over) == ("3", "0")
    assert "m" in user
    assert "m" in system
    assert int(peak) >= 0
    assert (launcher.stream("stdout"), launcher.stream("stderr")) == ("out\n", "err\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [(["no-such-program"], "127"), (["/etc/passwd"], "126"), (["exit", "3"], "127"), (["a=b"], "127")],
)
def test_what_cannot_start_is_126_or_127(launcher: Launcher, command: list[str], code: str) -> None:
    assert launcher.run(*command)[2] == code


def test_programs_are_those_of_the_image_not_busyboxs(launcher: Launcher) -> None:
    launcher.run("ls", "--version")
    assert "coreutils" in launcher.stream("stdout")


def test_steps_wait_for_their_turn_in_any_order_of_starts(launcher: Launcher, tmp_path: Path) -> None:
    steps = [launcher.start("sh", "-c", f"echo {step} >>{tmp_path}/log", step=step, last=2) for step in (2, 1, 0)]
    for one in steps:
        one.wait(30)
    assert (tmp_path / "log").read_text() == "0\n1\n2\n"


def test_after_a_failure_the_rest_is_skipped_without_a_word(launcher: Launcher) -> None:
    later = [launcher.start("echo", "never", step=step, last=2) for step in (1, 2)]
    launcher.run("false", last=2)
    for one in later:
        assert one.wait(30) == 0
    assert not (launcher.folder / "told.1").exists()


def test_an_ignored_error_goes_on(launcher: Launcher) -> None:
    later = launcher.start("echo", "on", step=1, last=1)
    assert launcher.run("false", last=1, ignore=1)[2] == "1"
    later.wait(30)
    assert launcher.stream("stdout", 1) == "on\n"


def test_the_time_limit_is_for_all_steps_together(launcher: Launcher) -> None:
    later = launcher.start("sleep", "100", step=1, last=1, limit="2")
    assert launcher.run("sleep", "1", last=1, limit="2")[7] == "0"
    later.wait(10)
    assert (launcher.told(1)[2], launcher.told(1)[7]) == ("137", "1")


def test_what_is_left_running_ends_with_the_command(launcher: Launcher) -> None:
    before = time.monotonic()
    launcher.run("sh", "-c", "sleep 1000 & setsid sleep 1000 & echo done")
    assert launcher.stream("stdout") == "done\n"
    assert time.monotonic() - before < 20


def test_streams_go_to_files_and_their_ends_are_kept(launcher: Launcher, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("text")
    launcher.run("sh", "-c", "cat; echo bad >&2", streams=f"{tmp_path}/in|{tmp_path}/new/out|{tmp_path}/new/err")
    assert [(tmp_path / "new" / name).read_text() for name in ("out", "err")] == ["text", "bad\n"]
    assert (launcher.stream("stdout"), launcher.stream("stderr")) == ("text", "bad\n")


@pytest.mark.parametrize(
    "streams", ["{}/missing||", "{}||", "|{}|"], ids=["missing stdin", "stdin is a folder", "stdout is a folder"]
)
def test_streams_that_cannot_be_opened_are_refused(launcher: Launcher, tmp_path: Path, streams: str) -> None:
    told = launcher.run("true", streams=streams.format(tmp_path))
    assert told[0] == "!"
    assert "cannot" in told


def test_it_ends_at_once_when_it_is_asked(launcher: Launcher) -> None:
    process = launcher.start("sleep", "1000", step=1, last=1)
    until((launcher.folder / "steps/1").exists, what="it waits for its turn")
    [inside] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(inside), signal.SIGTERM)
    assert process.wait(10) == 143


def test_it_tells_the_same_in_the_workspace_when_all_is_written(launcher: Launcher) -> None:
    launcher.run("sh", "-c", "echo out; exit 3")
    assert (launcher.folder / "run/0.told").read_text().split() == launcher.told()
    assert sorted(path.name for path in (launcher.folder / "run").iterdir()) == ["0.stderr", "0.stdout", "0.told"]
