"""Telling what a killed runner left from everything else."""

from __future__ import annotations

import os
import subprocess

import pytest

from penstock.backends.local.strays import MARK, Sight, end_strays, judge

MINE = b"PENSTOCK_ATTEMPT=a-1"
LIVE, DYING, KERNEL = 0x400000, 0x400004, 0x200000


def stat(name: str, state: str, flags: int) -> str:
    """A line of /proc/<pid>/stat."""
    return f"12 ({name}) {state} 1 12 12 0 -1 {flags} 100 0"


@pytest.mark.parametrize(
    ("environment", "command", "line", "sight"),
    [
        (b"A=b\0" + MINE + b"\0", b"bwrap", stat("bwrap", "S", LIVE), Sight.STRAY),
        (MINE + b"0\0", b"bwrap", stat("bwrap", "S", LIVE), Sight.OTHER),
        (b"X" + MINE + b"\0", b"bwrap", stat("bwrap", "S", LIVE), Sight.OTHER),
        (b"", b"", stat("bwrap", "S", DYING), Sight.STRAY),
        (b"", b"", stat("bwrap", "Z", DYING), Sight.OTHER),
        (b"", b"", stat("sleep", "S", DYING), Sight.OTHER),
        (b"", b"", stat("a (bwrap) R", "S", DYING), Sight.OTHER),
        (b"", b"", stat("kworker/0:1", "I", KERNEL), Sight.OTHER),
        (b"", b"daemon", stat("daemon", "S", LIVE), Sight.OTHER),
        (b"", b"", stat("python", "R", LIVE), Sight.UNCLEAR),
    ],
)
def test_what_a_process_is(environment: bytes, command: bytes, line: str, sight: Sight) -> None:
    assert judge(MINE, environment, command, line) is sight


def test_marked_processes_are_ended_and_others_are_not() -> None:
    attempt = f"attempt-{os.getpid()}"
    marked = subprocess.Popen(["sleep", "1000"], env={MARK: attempt})
    similar = subprocess.Popen(["sleep", "1000"], env={MARK: attempt + "0"})
    end_strays(attempt)
    assert marked.wait(0) == -9
    assert similar.poll() is None
    similar.kill()
    similar.wait()
