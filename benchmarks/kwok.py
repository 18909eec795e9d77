"""Many tasks through queue, agent, API server and scheduler, over nodes that do not exist (kwok).

    python benchmarks/kwok.py [--tasks 2000] [--nodes 1000] [--slots 600] [--seconds 900] [--postgresql]

Everything runs on this machine's loopback: etcd, API server, scheduler and controllers of the mirror, kwok, a server
and an agent. Prints the rate, what each process spent on a task, and memory and a list's latency over the run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.integration.kwok.plane import MISSING, control_plane, programs
from tests.integration.kwok.run import Run, left_behind, platform
from tests.postgres import Postgres
from tests.postgres import programs as postgres_programs


@contextlib.contextmanager
def store(*, postgresql: bool) -> Iterator[str | None]:
    """The URL of a PostgreSQL of our own, or None for SQLite."""
    found = postgres_programs() if postgresql else None
    if found is None:
        yield None
        return
    one = Postgres(found)
    one.make()
    try:
        yield asyncio.run(one.create())
    finally:
        one.remove()


def rows(run: Run, count: int) -> list[str]:
    """The table."""
    found = [f"| completed a second | {count / run.took_s:.0f} |"]
    for name, spent in sorted(run.spent.items(), key=lambda one: -one[1]):
        found.append(f"| CPU of a task in {name} | {1000 * spent / count:.1f} ms |")
    whole = sum(run.spent.values())
    found.append(f"| CPU of a task in all | {1000 * whole / count:.1f} ms ({whole / run.took_s:.2f} cores) |")
    return found


def course(run: Run) -> list[str]:
    """Tenths of the run: rate, latency of a list, memory."""
    last = run.samples[-1].done
    found = ["| done | a second | list of 100, ms | server, MiB | agent, MiB |", "|---:|---:|---:|---:|---:|"]
    before = run.samples[0]
    for tenth in range(1, 11):
        part = [one for one in run.samples if before.done < one.done <= last * tenth / 10]
        if part:
            now = part[-1]
            rate = (now.done - before.done) / (now.at_s - before.at_s)
            latency = sorted(one.list_ms for one in part)[len(part) // 2]
            memory = [amount / (1 << 20) for amount in (now.server_bytes, now.agent_bytes)]
            found.append(f"| {now.done} | {rate:.0f} | {latency:.1f} | {memory[0]:.0f} | {memory[1]:.0f} |")
            before = now
    return found


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=600, help="pods at a time")
    parser.add_argument("--seconds", type=float, default=900.0, help="end after that, with what was done by then")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    given = parser.parse_args()
    if programs() is None:
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory(prefix="penstock-kwok-") as name, store(postgresql=given.postgresql) as url:
        folder = Path(name)
        with (
            control_plane(folder / "plane", given.nodes) as plane,
            platform(folder, plane, given.slots, url) as run,
        ):
            Run(run.url, run.processes).go(100, 0.5)  # what is loaded on first use is no part of the figures
            run.go(given.tasks, max(0.5, min(5.0, given.tasks / 2000)), given.seconds)
            done = run.samples[-1].done
            left = left_behind(plane) if done == given.tasks else "not waited for"
    print(f"| {done} tasks, {given.nodes} nodes, {os.cpu_count()} cores | |\n|---|---|")
    print("\n".join([*rows(run, done), f"| pods and folders left behind | {left} |", "", *course(run)]))


if __name__ == "__main__":
    main()
