#!/usr/bin/env python
"""The demonstration: set this machine up, run the two example workloads, say what they found and where it lies.

Arguments go to ansible-playbook. `make demo` calls it with the Python of .venv.
"""

from __future__ import annotations

import csv
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from penstock.errors import PenstockError
from penstock.pipelines.examples import fetch

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent  # not resolved: the environment's, not the system's
RESULTS = ROOT / "demo-results"
EXAMPLES = {
    "lambda": "10,000 pairs of reads simulated from the phage lambda",
    "human": "three people of the 1000 Genomes project, 4,200 bases of chromosome 17",
}
COLUMNS = {
    "sample": "sample",
    "kind": "kind",
    "calls": "calls",
    "quality_below_20": "quality < 20",
    "quality_20_to_99": "20 to 99",
    "quality_100_up": "100 and more",
    "heterozygous": "heterozygous",
    "homozygous": "homozygous",
}
console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def main() -> int:
    """All of it; the exit code is that of the first part that failed."""
    began = time.monotonic()
    console.rule("Setting this machine up (playbooks/site.yml)", align="left")
    code = _call([str(PROGRAMS / "ansible-playbook"), "playbooks/site.yml", *sys.argv[1:]])
    for name, title in EXAMPLES.items():
        if code == 0:
            console.print()
            console.rule(f"Calling variants: {title}", align="left")
            code = run_example(name)
    if code == 0:
        show(time.monotonic() - began)
    return code


def run_example(name: str) -> int:
    """Fetch the data and give them to ``penstock run``, as anybody would."""
    try:
        inputs = fetch(name)
    except PenstockError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    words = ["penstock", "run", "variants"]
    for role, files in inputs.items():
        words += [f"--{role}", *(_short(file) for file in files)]
    words += ["--output", _short(RESULTS / name)]
    console.print(f"$ {shlex.join(words)}", markup=False, soft_wrap=True)
    return _call([str(PROGRAMS / "penstock"), *words[1:]])


def show(seconds: float) -> None:
    """The calls by kind and quality, and where everything lies."""
    table = Table(*COLUMNS.values(), title="Calls by kind and quality", title_justify="left")
    for column in table.columns[2:]:
        column.justify = "right"
    for name in EXAMPLES:
        for row in _found(RESULTS / name / "summary.tsv"):
            table.add_row(*(row[column] for column in COLUMNS), end_section=row["kind"] == "all")
    console.print()
    console.print(table)
    for name in EXAMPLES:
        console.print(f"{name}: {_short(RESULTS / name)}/ (calls.vcf.gz, calls.png, summary.tsv)", markup=False)
    console.print(f"The whole demonstration took {seconds:.0f} s.")


def _found(summary: Path) -> list[dict[str, str]]:
    """Rows of a summary without those that count nothing."""
    with summary.open(newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["calls"] != "0" or row["kind"] == "all"]


def _short(path: Path) -> str:
    """As one would type it in the checkout."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def _call(command: list[str]) -> int:
    """Run it in the checkout against the deployment that site.yml made, whatever else this shell works with."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
    sys.stdout.flush()
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
