"""Check all reads, take those of alignments out, and cut what is large into chunks; write the plan of the alignment.

The plan: ``{"samples": [{"id", "name", "jobs": [[{"files", "skip"}, …], …]}], "bases", "reads"}``: each job of a sample
is one process, each part of a job one run of bwa mem.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from bam import look_into, take_out
from fastq import Chunk, Source, check, packed, split
from unusable import Unusable, name_of, tell

ENDINGS = (
    r"\.(gz|bgz)$",
    r"\.(fastq|fq)$",
    r"_001$",  # of Illumina's bcl2fastq
    r"[._-]R?[12]$",
    r"_L\d{3}$",  # the lanes of one sample belong together
)
LONGEST_IDENTITY = 80  # characters, so that file names stay within the limits of file systems
PLAIN_BASES_PER_BYTE, PACKED_BASES_PER_BYTE = 0.45, 1.6  # to guess how much there is before reading it


def main() -> None:
    arguments = parsed()
    Path(arguments.chunks).mkdir(parents=True, exist_ok=True)
    sources = paired(arguments.reads)
    for number, path in enumerate(arguments.bam):
        prefix = f"{arguments.chunks}/bam{number}"
        sources += take_out(look_into(path), arguments.reference, prefix)
    if not sources:
        raise Unusable("There are no reads.")
    guessed = sum(guess(path) for source in sources for path in source.files)
    chunk_bases = max(arguments.chunk_bases, guessed // arguments.most_jobs)
    for number, source in enumerate(sources):
        source.chunks = chunks_of(source, arguments, chunk_bases, number)
    Path(arguments.plan).write_text(json.dumps(plan_of(sources, chunk_bases), indent=1) + "\n")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reads", nargs="*", default=[], help="FASTQ files, two for each pair")
    parser.add_argument("--bam", nargs="*", default=[], help="BAM, CRAM or SAM files")
    parser.add_argument("--reference", help="FASTA file that CRAM was written against")
    parser.add_argument("--chunks", help="folder for what has to be written")
    parser.add_argument("--plan", help="JSON file to write")
    parser.add_argument("--batch-bases", type=int, help="bases in one batch of bwa mem (its -K)")
    parser.add_argument("--chunk-bases", type=int, help="fewest bases that are worth a process")
    parser.add_argument("--most-jobs", type=int, help="most processes that the site can use")
    return parser.parse_args()


def paired(files: list[str]) -> list[Source]:
    """FASTQ files two by two, in the order they were given."""
    if len(files) % 2:
        raise Unusable(
            f"There are {len(files)} files of reads; give two for each pair ({name_of(files[-1])} is alone)."
        )
    return [Source(sample_of(files[at]), files[at : at + 2]) for at in range(0, len(files), 2)]


def sample_of(path: str) -> str:
    """A sample's name: that of the first file without its endings, lane and read number."""
    name = name_of(path)
    for ending in ENDINGS:
        shorter = re.sub(ending, "", name, flags=re.IGNORECASE)
        name = shorter or name
    return name


def guess(path: str) -> int:
    """About how many bases a FASTQ file holds."""
    return int(Path(path).stat().st_size * (PACKED_BASES_PER_BYTE if packed(path) else PLAIN_BASES_PER_BYTE))


def chunks_of(source: Source, arguments: argparse.Namespace, chunk_bases: int, number: int) -> list[Chunk]:
    """The source's chunks; a small one is checked only, and stays where it is."""
    if sum(guess(path) for path in source.files) > chunk_bases:
        chunks = split(source, arguments.batch_bases, chunk_bases, f"{arguments.chunks}/{number}")
    else:
        chunks = check(source)
    if not any(chunk.reads for chunk in chunks):
        raise Unusable(f"{' and '.join(map(name_of, source.files))} hold no reads.")
    return chunks


def plan_of(sources: list[Source], chunk_bases: int) -> dict[str, object]:
    """Samples in order of appearance, each with its chunks packed into jobs of about ``chunk_bases``."""
    samples: dict[str, list[Chunk]] = {}
    for source in sources:
        samples.setdefault(checked_name(source.sample), []).extend(source.chunks)
    return {
        "samples": [
            {"id": identity, "name": name, "jobs": jobs_of(samples[name], chunk_bases)}
            for name, identity in identities(samples).items()
        ],
        "reads": sum(chunk.reads for chunks in samples.values() for chunk in chunks),
        "bases": sum(chunk.bases for chunks in samples.values() for chunk in chunks),
    }


def identities(names: Iterable[str]) -> dict[str, str]:
    """What each sample is called in file names: letters, digits, '-' and '_', and no two alike."""
    found: dict[str, str] = {}
    for name in names:
        plain = identity = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST_IDENTITY]
        number = 1
        while identity in found.values():
            number += 1
            identity = f"{plain}_{number}"
        found[name] = identity
    return found


def checked_name(sample: str) -> str:
    """Sample names go into headers of BAM and VCF, where tabs and backslashes mean something else."""
    if not sample.isprintable() or "\\" in sample:
        raise Unusable(f"{sample!r} cannot be a sample's name: use printable characters without '\\'.")
    return sample


def jobs_of(chunks: list[Chunk], chunk_bases: int) -> list[list[dict[str, object]]]:
    """Chunks one after the other until a job is large enough."""
    jobs: list[list[dict[str, object]]] = []
    filled = 0
    for chunk in chunks:
        if not jobs or (filled and filled + chunk.bases > chunk_bases):
            jobs.append([])
            filled = 0
        jobs[-1].append(asdict(chunk))
        filled += chunk.bases
    return jobs


if __name__ == "__main__":
    tell(main)
