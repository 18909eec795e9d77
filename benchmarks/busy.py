"""How much of a site's processors workloads keep busy: `variants` over its example, several at once.

    source ~/.config/penstock/penstock/environment
    python benchmarks/busy.py --cores 4 [--workloads 8]

Runs on the deployment that the environment names. `--cores` is what its nodes have to give (kubectl describe nodes).
What ran is taken from the RO-Crates of the results. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.pipelines.examples import fetch


@dataclass(frozen=True)
class Process:
    """When it ran, in seconds, and how much of a processor it used."""

    begin: float
    end: float
    cpu_s: float


def run_workload(folder: Path, number: int) -> list[Process]:
    """One workload from upload to results."""
    inputs = [word for role, files in fetch("lambda").items() for word in (f"--{role}", *map(str, files))]
    output = folder / str(number)
    words = [
        sys.executable,
        "-m",
        "penstock.cli.main",
        "run",
        "variants",
        *inputs,
        "--output",
        str(output),
        "--name",
        f"busy {number}",
    ]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return processes(json.loads((output / "ro-crate-metadata.json").read_text()))


def processes(crate: dict[str, Any]) -> list[Process]:
    """The processes that a crate tells of."""
    parts = {part["@id"]: part for part in crate["@graph"]}
    found = []
    for part in parts.values():
        usage = [parts[one["@id"]] for one in part.get("resourceUsage", [])]
        cpu = [float(one["value"]) for one in usage if one["name"] == "CPU time"]
        if cpu:
            begin, end = (datetime.fromisoformat(part[name]).timestamp() for name in ("startTime", "endTime"))
            found.append(Process(begin, end, cpu[0]))
    return found


def most_at_once(found: list[Process]) -> int:
    """How many ran at the same time at most."""
    moments = sorted([(one.begin, 1) for one in found] + [(one.end, -1) for one in found])
    now = most = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


def main() -> None:
    """Run, add up, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=float, required=True)
    parser.add_argument("--workloads", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(given.workloads) as threads:
        runs = threads.map(lambda number: run_workload(Path(folder), number), range(given.workloads))
        found = [process for run in runs for process in run]
    span = max(one.end for one in found) - min(one.begin for one in found)
    running, used = sum(one.end - one.begin for one in found), sum(one.cpu_s for one in found)
    print(f"| processes, of {given.workloads} workloads | {len(found)}, at most {most_at_once(found)} at once |")
    print(f"| from the first one's start to the last one's end | {span:.0f} s |")
    print(f"| processes under way, over cores to give | {running / span / given.cores:.2f} |")
    print(f"| processor time used, over cores to give | {used / span / given.cores:.2f} |")


if __name__ == "__main__":
    main()
