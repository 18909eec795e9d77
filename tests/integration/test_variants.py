"""The pipeline ``variants`` under plain Snakemake: its calls are those of the same commands run in one piece."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.pipelines.examples import fetch
from penstock.pipelines.parameters import check_parameters
from penstock.pipelines.service import BUILT_IN

VARIANTS = BUILT_IN.resolve() / "variants"
VOLATILE = ("##fileDate", "##commandline", "##source", "##reference", "##bcftools")
CALLS = "results/calls.vcf.gz"
BATCH = 100_000  # small, so that the examples have several batches


def run_pipeline(
    work: Path, inputs: dict[str, list[Path]], scatter: dict[str, Any], *targets: str, **given: object
) -> Path:
    """One run up to ``targets``, with intermediate files kept; returns the working directory."""
    work.mkdir()
    definition = yaml.safe_load((VARIANTS / "pipeline.yml").read_text())
    configuration = {
        "inputs": {role: [str(path) for path in paths] for role, paths in inputs.items()},
        "parameters": check_parameters(definition["parameters"], given),
        "site": {"cpu_cores": 4, "ram_gb": 8},
        "scatter": {"batch_bases": BATCH, **scatter},
    }
    (work / "config.json").write_text(json.dumps(configuration))
    command = ["snakemake", "--snakefile", str(VARIANTS / "Snakefile"), "--directory", str(work), "--cores", "2"]
    command += ["--configfile", str(work / "config.json"), "--notemp", "--quiet", "all", "--scheduler", "greedy"]
    command += ["--max-jobs-per-timespan", "1000000/0s", *targets]
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return work


def sh(script: str, **values: object) -> str:
    """What a bash script prints; ``values`` are its variables."""
    variables = {name: str(value) for name, value in values.items()}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env={**os.environ, **variables}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def calls(vcf: Path) -> list[str]:
    """Header and records, all columns, without what tells of date and command line."""
    lines = sh('bcftools view --no-version "$vcf"', vcf=vcf).splitlines()
    return [line for line in lines if not line.startswith(VOLATILE)]


def positions(vcf: Path) -> list[tuple[str, int]]:
    rows = sh(r"bcftools query -f '%CHROM\t%POS\n' " + '"$vcf"', vcf=vcf).splitlines()
    return [(row.split("\t")[0], int(row.split("\t")[1])) for row in rows]


def borders_on(vcf: Path) -> dict[str, list[int]]:
    """Borders just before and just after calls, so that windows begin and end with them."""
    found: dict[str, list[int]] = {}
    for contig, position in positions(vcf)[::4]:
        found.setdefault(contig, []).extend((position - 1, position))
    return found


BY_HAND = """
    cd "$work"; {{ zcat -f "$reference"; }} > ref.fa
    samtools faidx ref.fa; bwa index ref.fa 2> /dev/null
    bams=()
    while read -r sample reads; do
        {align}
        samtools sort -o sorted.bam fixed.bam 2> /dev/null
        samtools markdup sorted.bam "$sample.bam"; samtools index "$sample.bam"; bams+=("$sample.bam")
    done < samples
    freebayes -f ref.fa "${{bams[@]}}" > raw.vcf
    bcftools norm -f ref.fa -m -any raw.vcf 2> /dev/null | bcftools filter -s LowQual -e 'QUAL<20' -O z -o calls.vcf.gz
"""
PAIRS_BY_HAND = r"""
        bwa mem -v 1 -K "$batch" -R "@RG\tID:$sample\tSM:$sample" ref.fa $reads | samtools fixmate -m - fixed.bam
"""
BAM_BY_HAND = r"""
        samtools collate -O -u "$reads" collate |
            samtools fastq -n -F 0x900 -1 1.fq -2 2.fq -s s.fq -0 o.fq 2> /dev/null
        { bwa mem -v 1 -K "$batch" -R "@RG\tID:$sample\tSM:$sample" ref.fa 1.fq 2.fq
          cat s.fq o.fq > all.fq; [ -s all.fq ] &&
          bwa mem -v 1 -K "$batch" -R "@RG\tID:$sample\tSM:$sample" ref.fa all.fq | samtools view
        } | samtools fixmate -m - fixed.bam
"""


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The calls of both examples by the plain commands, nothing scattered."""
    found = {}
    for name, align in (("lambda", PAIRS_BY_HAND), ("human", BAM_BY_HAND)):
        work = tmp_path_factory.mktemp(name)
        data = fetch(name)
        if name == "lambda":
            rows = [f"lambda {data['reads'][0]} {data['reads'][1]}"]
        else:
            rows = [f"{path.stem} {path}" for path in data["bam"]]
        (work / "samples").write_text("\n".join(rows) + "\n")
        sh(BY_HAND.format(align=align), work=work, reference=data["reference"][0], batch=BATCH)
        found[name] = work / "calls.vcf.gz"
    return found


@pytest.mark.parametrize("name", ["lambda", "human"])
def test_the_calls_are_those_of_the_plain_commands(tmp_path: Path, by_hand: dict[str, Path], name: str) -> None:
    work = run_pipeline(tmp_path / "work", fetch(name), {}, CALLS)
    assert len(list(work.glob("aligned/*.bam"))) == {"lambda": 1, "human": 3}[name]
    assert calls(work / CALLS) == calls(by_hand[name])


@pytest.mark.parametrize(("name", "chunk_bases"), [("lambda", 300_000), ("human", 5_000)])
def test_scattered_with_borders_on_calls_they_are_the_same_in_every_column(
    tmp_path: Path, by_hand: dict[str, Path], name: str, chunk_bases: int
) -> None:
    scatter: dict[str, Any] = {"chunk_bases": chunk_bases, "borders": borders_on(by_hand[name]), "primer_sites": 1}
    work = run_pipeline(tmp_path / "work", fetch(name), scatter, CALLS)
    assert len(list(work.glob("aligned/*.bam"))) >= 4
    assert len(list(work.glob("called/*.vcf"))) >= 6
    assert calls(work / CALLS) == calls(by_hand[name])


def test_the_lambda_example_has_the_calls_that_are_known_of_it(by_hand: dict[str, Path]) -> None:
    assert len(positions(by_hand["lambda"])) == 207


def repeated_genome(path: Path) -> str:
    """A genome half of which is a repeat, so that many reads fit equally well in several places."""
    chance = random.Random(7)  # noqa: S311 - data, not secrets
    unit = "".join(chance.choices("ACGT", k=3000))
    rest = ["".join(chance.choices("ACGT", k=3000)) for _ in range(4)]
    genome = unit + rest[0] + unit + rest[1] + unit + rest[2] + unit + rest[3]
    path.write_text(f">one\n{genome[:15_000]}\n>two\n{genome[15_000:]}\n")
    return genome


def simulated(folder: Path, genome: str, pairs: int, seed: int) -> list[Path]:
    """Pairs of 100 bases with errors and a few differences from the genome."""
    chance = random.Random(seed)  # noqa: S311 - data, not secrets
    changed = list(genome)
    for at in range(500 + seed, len(genome), 997):
        changed[at] = {"A": "C", "C": "G", "G": "T", "T": "A"}[changed[at]]
    donor = "".join(changed)
    turn = str.maketrans("ACGT", "TGCA")
    files = [folder / f"s{seed}_{side}.fq" for side in (1, 2)]
    texts: list[list[str]] = [[], []]
    for number in range(pairs):
        start = chance.randrange(len(donor) - 500)
        insert = donor[start : start + chance.randint(250, 450)]
        for side, read in enumerate((insert[:100], insert[-100:].translate(turn)[::-1])):
            bases = "".join(chance.choice("ACGT") if chance.random() < 0.01 else base for base in read)
            texts[side].append(f"@r{number}\n{bases}\n+\n{'I' * 100}\n")
    for file, text in zip(files, texts, strict=True):
        file.write_text("".join(text))
    return files


def test_reads_that_fit_in_several_places_are_placed_alike_however_they_are_scattered(tmp_path: Path) -> None:
    genome = repeated_genome(tmp_path / "ref.fa")
    reads = [*simulated(tmp_path, genome, 4000, 1), *simulated(tmp_path, genome, 3000, 2)]
    inputs = {"reference": [tmp_path / "ref.fa"], "reads": reads}
    whole = run_pipeline(tmp_path / "whole", inputs, {"batch_bases": 40_000}, min_mapping_quality=0)
    scattered = run_pipeline(
        tmp_path / "scattered",
        inputs,
        {"batch_bases": 40_000, "chunk_bases": 90_000, "window_bases": 200_000},
        min_mapping_quality=0,
    )
    assert len(list(whole.glob("aligned/*.bam"))) == 2
    assert len(list(scattered.glob("aligned/*.bam"))) > 10
    for sample in ("s1", "s2"):
        records = [sh('samtools view "$bam"', bam=work / f"samples/{sample}.bam") for work in (whole, scattered)]
        assert records[0] == records[1]
        assert sum(line.split("\t")[4] == "0" for line in records[0].splitlines()) > 1000
    assert calls(whole / CALLS) == calls(scattered / CALLS)
    for name in ("summary.tsv", "calls.png"):
        assert (whole / "results" / name).read_bytes() == (scattered / "results" / name).read_bytes()


def test_windows_cut_by_the_amount_of_reads_call_what_one_window_calls(tmp_path: Path) -> None:
    genome = repeated_genome(tmp_path / "ref.fa")
    inputs = {"reference": [tmp_path / "ref.fa"], "reads": simulated(tmp_path, genome, 3000, 1)}
    scatter = {"window_bases": 100_000}
    work = run_pipeline(tmp_path / "work", inputs, scatter, CALLS)
    assert len(list(work.glob("called/*.vcf"))) == 2  # 24 kb hold two windows
    whole = run_pipeline(tmp_path / "whole", inputs, {}, CALLS)
    assert calls(work / CALLS) == calls(whole / CALLS)


@pytest.mark.parametrize(
    "given",
    [
        {"ploidy": 1},
        {"min_mapping_quality": 60},
        {"min_base_quality": 30},
        {"min_alternate_fraction": 0.9},
        {"min_alternate_count": 20},
        {"mark_duplicates": False},
    ],
)
def test_every_parameter_changes_the_calls(tmp_path: Path, by_hand: dict[str, Path], given: dict[str, object]) -> None:
    work = run_pipeline(tmp_path / "work", fetch("lambda"), {}, CALLS, **given)
    assert calls(work / CALLS) != calls(by_hand["lambda"])


def test_calls_below_the_least_quality_are_marked_and_alignments_are_kept_on_demand(tmp_path: Path) -> None:
    work = run_pipeline(tmp_path / "work", fetch("human"), {}, min_quality=500, keep_alignments=True)
    rows = sh(r"bcftools query -f '%QUAL %FILTER\n' " + '"$vcf"', vcf=work / CALLS).splitlines()
    assert {(float(row.split()[0]) >= 500, row.split()[1]) for row in rows} == {(True, "PASS"), (False, "LowQual")}
    kept = sorted(path.name for path in (work / "results" / "alignments").iterdir())
    assert kept == [f"{name}.bam{end}" for name in ("HG00100", "HG00101", "HG00102") for end in ("", ".bai")]


def test_samples_of_fastq_and_cram_are_called_together(tmp_path: Path) -> None:
    data = fetch("human")
    reference, cram = tmp_path / "ref.fa", tmp_path / "HG00100.cram"
    reference.write_bytes(data["reference"][0].read_bytes())
    aligned = run_pipeline(tmp_path / "bam", {**data, "bam": data["bam"][:1]}, {}, CALLS, keep_alignments=True)
    sh(
        'samtools view -C -T "$reference" -o "$cram" "$bam"',
        reference=reference,
        cram=cram,
        bam=aligned / "results/alignments/HG00100.bam",
    )
    files = [tmp_path / f"other_{side}.fq" for side in (1, 2)]
    sh(
        'samtools collate -Ou "$bam" "$tmp/c" | samtools fastq -1 "$one" -2 "$two" -s /dev/null -0 /dev/null - 2>&1',
        bam=data["bam"][1],
        tmp=tmp_path,
        one=files[0],
        two=files[1],
    )
    inputs = {"reference": [reference], "reads": files, "bam": [cram]}
    work = run_pipeline(tmp_path / "work", inputs, {})
    listed = sh('bcftools query -l "$vcf"', vcf=work / CALLS).split()
    assert sorted(listed) == ["HG00100", "other"]
    table = (work / "results/summary.tsv").read_text().splitlines()
    assert {row.split("\t")[0] for row in table[1:]} == {"HG00100", "other"}
