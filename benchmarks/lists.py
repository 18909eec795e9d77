"""Lists and gets of TES at 10^3, 10^5 and 10^6 stored tasks, over loopback, with the server's memory and restart.

    python benchmarks/lists.py [--sizes 1000 100000 1000000] [--times 50]

Fills a new SQLite store with finished tasks, starts ``penstock serve`` on it, and prints a table: the median of each
request in milliseconds.
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
from penstock.tasks.tables import tags, tasks

BATCH = 20_000
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


def fill(data: Path, count: int) -> None:
    """A store with this many tasks."""
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
        connection.commit()
    engine.dispose()


def _store(connection: Connection, batch: list[dict[str, Any]]) -> None:
    if batch:
        connection.execute(insert(tasks), batch)
        pairs = [{"task": one["id"], "owner": "local", "key": "run", "value": one["name"]} for one in batch]
        connection.execute(insert(tags), pairs)


def measure(folder: Path, count: int, times: int) -> dict[str, float]:
    """The figures at this size."""
    server = RunningServer(folder / "server")
    fill(server.data, count)
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
    told = words.parse_args()
    columns = []
    for size in told.sizes:
        with tempfile.TemporaryDirectory() as folder:
            columns.append(measure(Path(folder), size, told.times))
    print(f"| | {' | '.join(f'{size:,} tasks' for size in told.sizes)} |")
    print(f"|---|{'---:|' * len(columns)}")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{one[name]:.1f}' for one in columns)} |")


if __name__ == "__main__":
    main()
