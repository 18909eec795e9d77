"""What a killed runner may leave: a transfer, a sandbox still being put together, or one that is still dying.

bubblewrap ends with its parent, but only from the moment at which it has asked the kernel for that. The runner and what
it starts carry the attempt's id in their environment, so that they are found without any process id. The process that
is PID 1 of a sandbox is gone only when everything in the sandbox is.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from enum import Enum
from pathlib import Path

MARK = "PENSTOCK_ATTEMPT"
_PROGRAM = "bwrap"
_EXITING = 0x4  # PF_EXITING and PF_KTHREAD of the kernel's flags, proc(5)
_KERNEL = 0x200000
_GENERATIONS = 3  # what dies during a look may have started another just before: runner, bubblewrap, its PID 1
_LOOKS = 100  # at processes that are between two programs, which takes them microseconds
_PAUSE_S = 0.002


class Sight(Enum):
    """What a process looks like."""

    STRAY = "stray"
    OTHER = "other"
    UNCLEAR = "unclear"


def end_strays(attempt: str) -> None:
    """Kill whatever of ``attempt`` has lost its runner; returns when it is gone. Blocking."""
    mark = f"{MARK}={attempt}".encode()
    clean = 0
    for _ in range(_LOOKS):
        strays, unclear = _look(mark)
        _kill(strays)
        clean = 0 if strays or unclear else clean + 1
        if clean == _GENERATIONS:
            return
        if unclear:
            time.sleep(_PAUSE_S)


def judge(mark: bytes, environment: bytes, command: bytes, stat: str) -> Sight:
    """What a process is, by what ``/proc/<pid>`` says.

    A dying process has no environment any more, and neither has one that is just becoming another program.
    """
    if mark in environment.split(b"\0"):
        return Sight.STRAY
    before, _, after = stat.rpartition(") ")
    fields = after.split()
    state, flags = fields[0], int(fields[6])
    if environment or command or state in "ZX" or flags & _KERNEL:
        return Sight.OTHER
    if flags & _EXITING:  # waiting for it is right whose ever it is: it will not be long
        return Sight.STRAY if before.endswith(f"({_PROGRAM}") else Sight.OTHER
    return Sight.UNCLEAR


def _look(mark: bytes) -> tuple[list[int], bool]:
    """Pidfds of the strays, and whether something may become one."""
    strays, unclear = [], False
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):  # gone, or somebody else's
            command = (entry / "cmdline").read_bytes()
            sight = judge(mark, (entry / "environ").read_bytes(), command, (entry / "stat").read_text())
            unclear = unclear or sight is Sight.UNCLEAR
            if sight is Sight.STRAY:
                strays.append(os.pidfd_open(int(entry.name)))
    return strays, unclear


def _kill(pidfds: list[int]) -> None:
    """Kill these and wait until they are gone."""
    for pidfd in pidfds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    for pidfd in pidfds:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.poll()
        os.close(pidfd)
