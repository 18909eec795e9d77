"""Lists and gets of TES at 10^3, 10^5 and 10^6 stored tasks, over loopback, with the server's memory and restart.

    python benchmarks/lists.py [--sizes 1000 100000 1000000] [--times 50] [--running 10000]

Fills a new SQLite store with finished tasks, and some that run at a site, starts ``penstock serve`` on it, and prints a
table: the median of each request in milliseconds, and how long it takes until the server is ready, and until the site's
agent has all of its attempts back.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
from sqlalchemy import Connection, insert
from tests.conftest import RunningServer, end_runners

from penstock.database.migrate import migrate
from penstock.database.sqlite import make_engine
from penstock.names import new_id
from penstock.tasks.tables import attempts, tags, tasks

BATCH = 20_000
SITE = "far"
SPEC = '{"name":"common","executors":[{"image":"penstock/tools:1","command":["true"]}]}'
REQUESTS: dict[str, dict[str, Any]] = {
    "page of 100": {"page_size": 100},
    "page of 100, FULL": {"page_size": 100, "view": "FULL"},
    "state, all match": {"page_size": 100, "state": "COMPLETE"},
    "state, none match": {"page_size": 100, "state": "RUNNING"},
    "name_prefix, all match": {"page_size": 100, "name_prefix": "common"},
    "name_prefix, one matches": {"page_size": 100, "name_prefix": "rare"},
    "name_prefix, none match": {"page_size": 100, "name_prefix": "none"},
    "tag, all match": {"page_size": 100, "tag_key": "run"},
    "tag, none match": {"page_size": 100, "tag_key": "run", "tag_value": "none"},
    "state and tag, one matches": {"page_size": 100, "state": "COMPLETE", "tag_key": "run", "tag_value": "rare"},
}


def rows(count: int) -> Iterator[dict[str, Any]]:
    """Finished tasks of one owner; the oldest has a name and a tag of its own."""
    now = time.time_ns() // 1_000_000
    plain = {"owner": "local", "line": "local", "kind": "process", "rule": "", "state": "COMPLETE", "reason": ""}
    plain |= {"cpu_cores": 1.0, "ram_gb": 1.0, "disk_gb": 0.0, "priority": 0, "attempt": 0, "sequence": 0}
    plain |= {"not_before_us": 0, "created_us": now * 1000, "spec": SPEC, "terms": "{}"}
    for number in range(count):
        yield {**plain, "id": new_id(now - count + number), "name": "common" if number else "rare"}


def fill(data: Path, count: int, running: int) -> list[str]:
    """A store with this many tasks that have ended, and so many that run: the attempts of those."""
    url = f"sqlite:///{data / 'penstock.db'}"
    data.mkdir(parents=True)
    migrate(url)
    engine = make_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        batch: list[dict[str, Any]] = []
        for row in rows(count):
            batch.append(row)
            if len(batch) == BATCH:
                _store(connection, batch)
                batch = []
        _store(connection, batch)
        alive = _run(connection, running) if running else []
        connection.commit()
    engine.dispose()
    return alive


def _run(connection: Connection, count: int) -> list[str]:
    """So many tasks of another owner that run at the site ``far``."""
    state = {"state": "RUNNING", "attempt": 1, "name": "runs", "owner": "far-owner", "line": "far-owner"}
    alive = [{**row, **state} for row in rows(count)]
    connection.execute(insert(tasks), alive)
    plain = {"number": 1, "site": SITE, "incarnation": "one", "state": "started", "reason": "", "log": "{}"}
    plain |= {"lease_until_us": 0, "created_us": 0}
    connection.execute(insert(attempts), [{**plain, "id": f"{one['id']}-1", "task": one["id"]} for one in alive])
    return [f"{one['id']}-1" for one in alive]


def _take_back(url: str, alive: list[str]) -> float:
    """Seconds until an agent that comes back has all attempts of its site."""
    room = {"cpu_cores": 1.0, "ram_gb": 1.0, "disk_gb": 1.0, "slots": 1}
    hello = {"site": SITE, "incarnation": "two", "total": room, "running": alive}
    began = time.monotonic()
    kept = httpx.post(f"{url}/agent/v1/hello", json=hello, timeout=300, trust_env=False).raise_for_status().json()
    if len(kept["keep"]) != len(alive):
        sys.exit(f"only {len(kept['keep'])} of {len(alive)} attempts were kept")
    return time.monotonic() - began


def _store(connection: Connection, batch: list[dict[str, Any]]) -> None:
    if batch:
        connection.execute(insert(tasks), batch)
        pairs = [{"task": one["id"], "owner": "local", "key": "run", "value": one["name"]} for one in batch]
        connection.execute(insert(tags), pairs)


def measure(folder: Path, count: int, times: int, running: int) -> dict[str, float]:
    """The figures at this size."""
    server = RunningServer(folder / "server")
    alive = fill(server.data, count, running)
    started = time.monotonic()
    server.start()
    found = {"start of the server (s)": time.monotonic() - started}
    try:
        with httpx.Client(base_url=f"{server.url}/ga4gh/tes/v1", trust_env=False, timeout=60) as http:
            newest = http.get("/tasks", params={"page_size": 1}).json()["tasks"][0]["id"]
            for name, query in REQUESTS.items():
                found[name] = _median(http, "/tasks", query, times)
            found["get, FULL"] = _median(http, f"/tasks/{newest}", {"view": "FULL"}, times)
        assert server.process is not None
        if alive:
            found[f"{len(alive):,} running taken back (s)"] = _take_back(server.url, alive)
        found["memory (MiB)"] = _memory(server.process.pid)
    finally:
        server.stop()
        end_runners(server.data)
    return found


def _median(http: httpx.Client, path: str, query: dict[str, Any], times: int) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        http.get(path, params=query).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def _memory(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser()
    words.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000, 1_000_000])
    words.add_argument("--times", type=int, default=50)
    words.add_argument("--running", type=int, default=10_000)
    told = words.parse_args()
    columns = []
    for size in told.sizes:
        with tempfile.TemporaryDirectory() as folder:
            columns.append(measure(Path(folder), size, told.times, told.running))
    print(f"| | {' | '.join(f'{size:,} tasks' for size in told.sizes)} |")
    print(f"|---|{'---:|' * len(columns)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{one[name]:.1f}' for one in columns)} |")


if __name__ == "__main__":
    main()
