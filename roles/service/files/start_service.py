#!/usr/bin/python3
"""Start a service for supervisord: end what an earlier supervisord of ours left running of it, then become it.

    start_service.py --record FILE [--group] [--environment FILE] [--wait SECONDS] [COMMAND…]

A supervisord that was killed leaves its programs running, and its successor knows nothing of them. FILE holds pid,
session and start time of the last start, so that exactly that process (with --group: and what it started in its
process group, e.g. NGINX's workers) is ended before the next one starts. Without COMMAND nothing is started.
"""

from __future__ import annotations

import argparse
import os
import pwd
import shlex
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A line of the process table. ``started``: clock ticks since boot; with the pid it names one process for good."""

    pid: int
    group: int
    session: int
    started: int


def read_process(pid: int) -> Process | None:
    """The process ``pid``; None when there is none or only its zombie is left."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything; proc(5) counts these from 3
    return None if fields[0] in "ZX" else Process(pid, int(fields[2]), int(fields[3]), int(fields[19]))


def processes() -> list[Process]:
    """All that run now."""
    pids = (int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal())
    return [process for pid in pids if (process := read_process(pid))]


def left_over(record: Path, *, group: bool) -> list[Process]:
    """What still runs of the start that ``record`` tells of."""
    try:
        pid, session, started = map(int, record.read_text().split())
    except (FileNotFoundError, ValueError):
        return []
    if group:
        return [p for p in processes() if (p.group, p.session) == (pid, session) and p.started >= started]
    leader = read_process(pid)
    return [leader] if leader and leader.started == started else []


def end(record: Path, *, group: bool, wait_s: float) -> None:
    """Ask it to end; kill what has not after ``wait_s``; return when nothing is left."""
    asked = signal.SIGTERM
    deadline = time.monotonic() + wait_s
    told: set[int] = set()
    while found := left_over(record, group=group):
        if time.monotonic() > deadline and asked is not signal.SIGKILL:
            asked, told = signal.SIGKILL, set()
        for process in found:
            if process.pid not in told:
                told.add(process.pid)
                _signal(process.pid, asked)
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def read_environment(file: Path) -> dict[str, str]:
    """KEY=value lines with a shell's quotes, as systemd's EnvironmentFile= has them; '#' starts a comment line."""
    lines = (line.strip() for line in file.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: "".join(shlex.split(value)) for name, _, value in pairs}


def main() -> None:
    """End the earlier one, note ourselves, become the service."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--environment", type=Path)
    parser.add_argument("--wait", type=float, default=15)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    end(arguments.record, group=arguments.group, wait_s=arguments.wait)
    if not arguments.command:
        arguments.record.unlink(missing_ok=True)
        return
    own = read_process(os.getpid())
    assert own is not None  # noqa: S101 - we are running
    arguments.record.write_text(f"{own.pid} {own.session} {own.started}\n")
    account = pwd.getpwuid(os.getuid())
    os.environ.update(HOME=account.pw_dir, USER=account.pw_name, LOGNAME=account.pw_name)
    if arguments.environment:
        os.environ.update(read_environment(arguments.environment))
    os.execv(arguments.command[0], arguments.command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
