"""Call variants jointly with freebayes in some windows of the genome, as a run over the whole genome would call them.

Two things make a window's calls those of the whole run:

- freebayes looks at the window with some bases on both sides, so that haplotypes at its borders are built from the same
  reads; a call is kept by the window that its position lies in, so each is kept exactly once.
- freebayes remembers the prior probability of allele counts from the first site that has them, although it depends on
  the length of that site's haplotype (AlleleFrequencyProbabilityCache; measured: ODDS and QUAL of all later sites
  change). So a window's run first goes through the genome's first sites, as the whole run does, whose calls it drops.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from regions import Interval, Window, between, contigs_of, merged, share_of, windows_of

VOLATILE = ("##fileDate=", "##commandline=", "##source=", "##reference=")  # differ between equal runs
FIRST_PRIMER = 10_000  # bases


def main() -> None:
    arguments = parsed()
    contigs = contigs_of(f"{arguments.reference}.fai")
    windows = windows_of(contigs, arguments.bases, arguments.window_bases, arguments.borders)
    command = ["freebayes", "-f", arguments.reference, *arguments.options, *arguments.bam]
    sites = arguments.primer_sites * len(arguments.bam)
    primer = primer_of(command, contigs, sites) if len(windows) > 1 else []
    with Path(arguments.output).open("w") as output:
        for number, window in enumerate(share_of(windows, arguments.part, arguments.parts)):
            padded = [interval.padded(contigs[interval.contig]) for interval in window]
            lines = run(command, merged([*primer, *padded], contigs))
            keep(lines, window, output, header=number == 0)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("--bases", type=int, help="bases of all reads")
    parser.add_argument("--window-bases", type=int, help="bases of reads in a window")
    parser.add_argument(
        "--primer-sites", type=int, help="calls for each sample after which freebayes has seen all counts of alleles"
    )
    parser.add_argument("--borders", type=json.loads)
    parser.add_argument("--part", type=int)
    parser.add_argument("--parts", type=int)
    parser.add_argument("--options", type=str.split, help="options for freebayes")
    parser.add_argument("--bam", nargs="+")
    parser.add_argument("--output")
    return parser.parse_args()


def primer_of(command: Sequence[str], contigs: dict[str, int], sites: int) -> Window:
    """The beginning of the genome, as far as it takes to hold that many calls."""
    length, total = FIRST_PRIMER, sum(contigs.values())
    while length < total:
        primer = between(contigs, 0, length)
        if sum(not line.startswith("#") for line in run(command, primer)) >= sites:
            return primer
        length *= 2
    return between(contigs, 0, total)


def run(command: Sequence[str], intervals: Iterable[Interval]) -> Iterator[str]:
    """The lines that freebayes writes for some intervals."""
    with tempfile.NamedTemporaryFile("w", suffix=".bed") as targets:
        targets.writelines(f"{each.contig}\t{each.start}\t{each.end}\n" for each in intervals)
        targets.flush()
        with subprocess.Popen([*command, "-t", targets.name], stdout=subprocess.PIPE, text=True) as freebayes:
            assert freebayes.stdout  # noqa: S101 - it was asked for above
            yield from freebayes.stdout
    if freebayes.returncode:
        sys.exit(f"freebayes ended with exit code {freebayes.returncode}.")


def keep(lines: Iterable[str], window: Window, output: TextIO, *, header: bool) -> None:
    """Copy the header without what differs between equal runs, and the calls whose position lies in the window."""
    wanted = {interval.contig: interval for interval in window}
    for line in lines:
        if line.startswith("#"):
            if header and not line.startswith(VOLATILE):
                output.write(line)
            continue
        contig, position, _ = line.split("\t", 2)
        interval = wanted.get(contig)
        if interval and interval.start < int(position) <= interval.end:
            output.write(line)


if __name__ == "__main__":
    main()
