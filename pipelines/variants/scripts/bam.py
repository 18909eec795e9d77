"""BAM, CRAM and SAM files: checked, and their reads taken out by sample as FASTQ."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fastq import Source
from unusable import Unusable, name_of


@dataclass
class Alignments:
    """A file of alignments and the read groups that its header names, by sample."""

    path: str
    groups: dict[str, list[str]]


def look_into(path: str) -> Alignments:
    """Check the file's form and header; Unusable says what is wrong with it."""
    if Path(path).stat().st_size == 0:
        raise Unusable(f"{name_of(path)} is empty.")
    if not path.lower().endswith(".sam"):
        check = subprocess.run(["samtools", "quickcheck", "-v", path], capture_output=True, text=True)
        if check.returncode:
            raise Unusable(f"{name_of(path)} is no whole BAM or CRAM file: {reason(check.stderr, path)}.")
    header = subprocess.run(["samtools", "view", "-H", path], capture_output=True, text=True)
    if header.returncode:
        raise Unusable(f"{name_of(path)} cannot be read: {reason(header.stderr, path)}.")
    groups: dict[str, list[str]] = {}
    for line in header.stdout.splitlines():
        if line.startswith("@RG\t"):
            fields = dict(part.split(":", 1) for part in line.split("\t")[1:] if ":" in part)
            if not fields.get("ID") or not fields.get("SM"):
                raise Unusable(f"{name_of(path)} has a read group without ID or sample (SM): {line!r}.")
            groups.setdefault(fields["SM"], []).append(fields["ID"])
    if not groups:
        raise Unusable(
            f"{name_of(path)} has no read groups, so its reads belong to no sample; samtools addreplacerg adds them."
        )
    return Alignments(path, groups)


def take_out(alignments: Alignments, reference: str, prefix: str) -> list[Source]:
    """Write the reads of each sample to FASTQ files: its pairs, and the reads whose mate is not in the file."""
    found: list[Source] = []
    taken = 0
    for number, (sample, groups) in enumerate(alignments.groups.items()):
        names = [f"{prefix}.{number}_{part}.fq" for part in ("1", "2", "single", "other")]
        taken += extract(alignments, groups, reference, names)
        with Path(names[2]).open("ab") as single, Path(names[3]).open("rb") as other:
            single.writelines(other)
        Path(names[3]).unlink()
        found += [Source(sample, files) for files in (names[:2], names[2:3]) if Path(files[0]).stat().st_size]
    total = count(alignments.path, reference)
    if not total:
        raise Unusable(f"{name_of(alignments.path)} holds no reads.")
    if taken != total:
        raise Unusable(f"{name_of(alignments.path)} has {total - taken} of {total} reads that belong to no read group.")
    return found


def extract(alignments: Alignments, groups: list[str], reference: str, names: list[str]) -> int:
    """Collect the primary reads of some read groups by name; returns how many there were."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "groups"
        listed.write_text("".join(f"{group}\n" for group in groups))
        selecting = [*VIEW, "-u", "-D", f"RG:{listed}", "-T", reference, alignments.path]
        collating = ["samtools", "collate", "-u", "-O", "-", f"{scratch}/collate"]
        writing = ["samtools", "fastq", "-n", "-1", names[0], "-2", names[1], "-s", names[2], "-0", names[3], "-"]
        with subprocess.Popen(
            selecting, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=OFFLINE
        ) as view:
            collate = subprocess.Popen(collating, stdin=view.stdout, stdout=subprocess.PIPE)
            fastq = subprocess.Popen(writing, stdin=collate.stdout, stderr=subprocess.DEVNULL)
            assert view.stdout  # noqa: S101 - asked for above, as are the next
            assert view.stderr  # noqa: S101
            assert collate.stdout  # noqa: S101
            view.stdout.close()
            collate.stdout.close()
            complaint = view.stderr.read()
            codes = [fastq.wait(), collate.wait(), view.wait()]
        if any(codes):
            raise Unusable(f"{name_of(alignments.path)} cannot be read: {reason(complaint, alignments.path)}.")
    return sum(lines(name) for name in names) // 4


def count(path: str, reference: str) -> int:
    """Primary reads in the whole file, of whatever group."""
    done = subprocess.run([*VIEW, "-c", "-T", reference, path], capture_output=True, text=True, env=OFFLINE)
    if done.returncode:
        raise Unusable(f"{name_of(path)} cannot be read: {reason(done.stderr, path)}.")
    return int(done.stdout)


def lines(path: str) -> int:
    """Line ends in a file."""
    with Path(path).open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def reason(complaint: str, path: str) -> str:
    """The first line that samtools said, without the folder that means nothing to the user."""
    said = [line for line in complaint.splitlines() if line.strip()]
    return (said[0] if said else "no reason given").replace(path, name_of(path)).rstrip(".")


SECONDARY_OR_SUPPLEMENTARY = "0x900"
VIEW = ["samtools", "view", "-F", SECONDARY_OR_SUPPLEMENTARY]
OFFLINE = {**os.environ, "REF_PATH": "/nowhere"}  # else samtools asks a public server for sequences that CRAM lacks
