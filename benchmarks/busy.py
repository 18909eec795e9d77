"""How much of a site's processors workloads keep busy: `variants` several at once.

    source ~/.config/penstock/penstock/environment
    python benchmarks/busy.py --cores 4 [--workloads 8] [--megabases 2]

Over the pipeline's own small example, or over reads that cover a random genome of so many megabases 30-fold. Runs on
the deployment that the environment names. `--cores` is what its nodes have to give (kubectl describe nodes). What ran
is taken from the RO-Crates of the results. Prints a table.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from penstock.pipelines.examples import fetch

FOLD, READ, FRAGMENT = 30, 150, 400
COMPLEMENT = {"A": "T", "C": "G", "G": "C", "T": "A"}


@dataclass(frozen=True)
class Process:
    """When it ran, in seconds, and how much of a processor it used."""

    begin: float
    end: float
    cpu_s: float


def simulate(folder: Path, bases: int) -> dict[str, list[Path]]:
    """A random genome, and pairs of reads without errors from one that differs from it at every thousandth base."""
    chance = random.Random(bases)  # noqa: S311 - made-up reads, no secret
    genome = chance.choices("ACGT", k=bases)
    reference = folder / "genome.fa"
    reference.write_text(f">genome\n{''.join(genome)}\n")
    for place in range(500, bases, 1000):
        genome[place] = COMPLEMENT[genome[place]]
    text, pairs = "".join(genome), [folder / "reads_1.fq.gz", folder / "reads_2.fq.gz"]
    with gzip.open(pairs[0], "wt", 1) as one, gzip.open(pairs[1], "wt", 1) as other:
        for number in range(FOLD * bases // (2 * READ)):
            begin = chance.randrange(bases - FRAGMENT)
            fragment = text[begin : begin + FRAGMENT]
            back = "".join(COMPLEMENT[base] for base in reversed(fragment[-READ:]))
            for file, read in ((one, fragment[:READ]), (other, back)):
                file.write(f"@{number}\n{read}\n+\n{'I' * READ}\n")
    return {"reference": [reference], "reads": pairs}


def run_workload(folder: Path, number: int, files: dict[str, list[Path]]) -> list[Process]:
    """One workload from upload to results."""
    inputs = [word for role, paths in files.items() for word in (f"--{role}", *map(str, paths))]
    output = folder / str(number)
    words = ["run", "variants", *inputs, "--output", str(output), "--name", f"busy {number}"]
    subprocess.run([sys.executable, "-m", "penstock.cli.main", *words], check=True, stdout=subprocess.DEVNULL)
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
    parser.add_argument("--megabases", type=float, default=0, help="size of a made-up genome; 0: the example")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(given.workloads) as threads:
        folder = Path(name)
        files = simulate(folder, int(given.megabases * 1e6)) if given.megabases else fetch("lambda")
        runs = threads.map(lambda number: run_workload(folder, number, files), range(given.workloads))
        found = [process for run in runs for process in run]
    span = max(one.end for one in found) - min(one.begin for one in found)
    running, used = sum(one.end - one.begin for one in found), sum(one.cpu_s for one in found)
    print(f"| processes, of {given.workloads} workloads | {len(found)}, at most {most_at_once(found)} at once |")
    print(f"| from the first one's start to the last one's end | {span:.0f} s |")
    print(f"| processes under way, over cores to give | {running / span / given.cores:.2f} |")
    print(f"| processor time used, over cores to give | {used / span / given.cores:.2f} |")


if __name__ == "__main__":
    main()
