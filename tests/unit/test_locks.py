"""One process a folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.clock import Deadline
from penstock.errors import SetupError
from penstock.locks import FolderLock

HOLD = """
import sys, time
from pathlib import Path
from penstock.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]), "x.lock")
lock.acquire()
print("held", flush=True)
time.sleep(60)
"""


def _holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with _holder(tmp_path) as process, FolderLock(tmp_path, "x.lock") as lock:
        with pytest.raises(SetupError, match=f"in use by process {process.pid}"):
            lock.acquire()
        process.kill()


def test_a_killed_holder_leaves_the_folder_free(tmp_path: Path) -> None:
    with _holder(tmp_path) as process:
        process.kill()
    with FolderLock(tmp_path, "x.lock") as lock:
        lock.acquire()


def test_taking_over_asks_the_holder_to_end(tmp_path: Path) -> None:
    with _holder(tmp_path) as process, FolderLock(tmp_path, "x.lock") as lock:
        lock.take_over(Deadline.after(20))
        assert process.wait(20) == -15


def test_a_holder_that_does_not_let_go_is_named(tmp_path: Path) -> None:
    with FolderLock(tmp_path, "x.lock") as first, FolderLock(tmp_path, "x.lock") as second:
        first.acquire()
        (tmp_path / "x.lock").write_text("not a number")
        with pytest.raises(SetupError, match="does not let go"):
            second.take_over(Deadline.after(0))
