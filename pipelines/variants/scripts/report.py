"""Count the calls by sample, kind and quality, and plot depth and calls along the genome."""

from __future__ import annotations

import argparse
import json
import subprocess
from collections import Counter
from pathlib import Path

from findings import Bin, Call
from plot import draw
from regions import contigs_of

KINDS = ("snv", "insertion", "deletion", "mnv", "complex")
BANDS = ((20.0, "quality_below_20"), (100.0, "quality_20_to_99"), (float("inf"), "quality_100_up"))
COLUMNS = (
    "sample",
    "kind",
    "calls",
    "passed",
    *(name for _, name in BANDS),
    "heterozygous",
    "homozygous",
    "mean_depth",
)


def main() -> None:
    arguments = parsed()
    samples = [sample["name"] for sample in json.loads(Path(arguments.plan).read_text())["samples"]]
    depths = {name: bins_of(path) for name, path in zip(samples, arguments.depths, strict=True)}
    calls = calls_of(arguments.calls)
    Path(arguments.table).write_text(
        "".join("\t".join(map(str, row)) + "\n" for row in (COLUMNS, *table(calls, depths)))
    )
    draw(contigs_of(arguments.index), depths, calls, arguments.min_quality, arguments.plot)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", help="VCF, one alternative allele a record")
    parser.add_argument("--plan", help="what reads.py wrote: it names the samples")
    parser.add_argument("--depths", nargs="+", help="what depth.awk wrote of each sample, in the plan's order")
    parser.add_argument("--index", help="the reference's .fai")
    parser.add_argument("--min-quality", type=float)
    parser.add_argument("--table")
    parser.add_argument("--plot")
    return parser.parse_args()


def kind_of(reference: str, alternative: str) -> str:
    """What an allele does to the reference."""
    if len(reference) == len(alternative):
        return "snv" if len(reference) == 1 else "mnv"
    if alternative.startswith(reference):
        return "insertion"
    return "deletion" if reference.startswith(alternative) else "complex"


def calls_of(path: str) -> list[Call]:
    """Every record of a VCF."""
    samples = _bcftools("query", "-l", path).splitlines()
    wanted = "%CHROM\t%POS\t%REF\t%ALT\t%QUAL\t%FILTER[\t%GT]\n"
    calls = []
    for line in _bcftools("query", "-f", wanted, path).splitlines():
        contig, position, reference, alternative, quality, verdict, *genotypes = line.split("\t")
        genotype = dict(zip(samples, genotypes, strict=True))
        kind = kind_of(reference, alternative)
        calls.append(Call(contig, int(position), kind, float(quality), verdict == "PASS", genotype))
    return calls


def bins_of(path: str) -> list[Bin]:
    """What depth.awk wrote: the sum of the depths of each bin."""
    rows = (line.split("\t") for line in Path(path).read_text().splitlines())
    return [Bin(contig, int(start), int(end), int(sum_) / (int(end) - int(start))) for contig, start, end, sum_ in rows]


def mean_depth(bins: list[Bin]) -> float:
    """Over the whole genome."""
    return sum(each.depth * (each.end - each.start) for each in bins) / sum(each.end - each.start for each in bins)


def table(calls: list[Call], depths: dict[str, list[Bin]]) -> list[list[object]]:
    """Rows of the summary: for each sample one for each kind and one for all; only alleles that the sample carries."""
    rows: list[list[object]] = []
    for sample, bins in depths.items():
        carried = [call for call in calls if _alleles(call, sample)[0]]
        for kind in (*KINDS, "all"):
            chosen = [call for call in carried if kind in (call.kind, "all")]
            bands = Counter(next(name for limit, name in BANDS if call.quality < limit) for call in chosen)
            homozygous = sum(1 for call in chosen if _alleles(call, sample)[1])
            counts = [len(chosen), sum(call.passed for call in chosen), *(bands[name] for _, name in BANDS)]
            rows.append([sample, kind, *counts, len(chosen) - homozygous, homozygous, f"{mean_depth(bins):.2f}"])
    return rows


def _alleles(call: Call, sample: str) -> tuple[bool, bool]:
    """Whether a sample carries the allele at all, and whether it carries nothing else."""
    alleles = call.genotypes[sample].replace("|", "/").split("/")
    return "1" in alleles, set(alleles) == {"1"}


def _bcftools(*arguments: str) -> str:
    return subprocess.run(["bcftools", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
