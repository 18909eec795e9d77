"""Call variants jointly in one part of the genome with freebayes.

freebayes looks at the part with some bases on both sides, so that haplotypes at its borders are built as in a run over
the whole genome; a call is kept by the part that its position lies in, so each is kept exactly once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from regions import Interval, contigs_of, cut

VOLATILE = ("##fileDate=", "##commandline=", "##source=", "##reference=")  # differ between equal runs


def main() -> None:
    arguments = parsed()
    contigs = contigs_of(f"{arguments.reference}.fai")
    intervals = cut(contigs, arguments.parts, arguments.borders)[arguments.part]
    with tempfile.NamedTemporaryFile("w", suffix=".bed") as targets, open(arguments.output, "w") as output:
        for interval in intervals:
            wide = interval.padded(contigs[interval.contig])
            targets.write(f"{wide.contig}\t{wide.start}\t{wide.end}\n")
        targets.flush()
        command = ["freebayes", "-f", arguments.reference, "-t", targets.name, *arguments.options, *arguments.bam]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as freebayes:
            assert freebayes.stdout  # noqa: S101 - it was asked for above
            keep(freebayes.stdout, intervals, output)
    if freebayes.returncode:
        sys.exit(f"freebayes ended with exit code {freebayes.returncode}.")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("--part", type=int)
    parser.add_argument("--parts", type=int)
    parser.add_argument("--borders", type=json.loads)
    parser.add_argument("--options", type=str.split, help="options for freebayes")
    parser.add_argument("--bam", nargs="+")
    parser.add_argument("--output")
    return parser.parse_args()


def keep(lines: Iterable[str], intervals: Iterable[Interval], output: TextIO) -> None:
    """Copy the header without what differs between equal runs, and the calls whose position lies in ``intervals``."""
    wanted = {interval.contig: interval for interval in intervals}
    for line in lines:
        if line.startswith("#"):
            if not line.startswith(VOLATILE):
                output.write(line)
            continue
        contig, position, _ = line.split("\t", 2)
        interval = wanted[contig]
        if interval.start < int(position) <= interval.end:
            output.write(line)


if __name__ == "__main__":
    main()
