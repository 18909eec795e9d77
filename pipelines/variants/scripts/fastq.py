"""FASTQ files: read as records, checked, and written in chunks that end where bwa mem ends a batch."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from unusable import Unusable, name_of

GZIP_MAGIC = b"\x1f\x8b"
BUFFER = 1 << 20
AT, PLUS = b"@"[0], b"+"[0]
Record = tuple[bytes, bytes, bytes, bytes]
Group = tuple[Record, ...]  # what stays together: a pair of records, or one


@dataclass
class Chunk:
    """One or two FASTQ files for one run of bwa mem. ``skip`` reads of the same source come before it."""

    files: list[str]
    skip: int
    reads: int = 0
    bases: int = 0

    def count(self, group: Group) -> int:
        """Take a group in; returns its bases."""
        bases = sum(len(record[1].rstrip()) for record in group)
        self.reads += len(group)
        self.bases += bases
        return bases


@dataclass
class Source:
    """One FASTQ file, or a pair, whose records belong to one sample."""

    sample: str
    files: list[str]
    chunks: list[Chunk] = field(default_factory=list)


def packed(path: str) -> bool:
    """Whether a file is gzipped, whatever it is called."""
    with Path(path).open("rb") as probe:
        return probe.read(2) == GZIP_MAGIC


def records_of(path: str) -> Iterator[Record]:
    """Every record of a plain or gzipped FASTQ file; Unusable names the first that is none."""
    with closing(gzip.open(path, "rb") if packed(path) else Path(path).open("rb", buffering=BUFFER)) as file:
        number = 0
        try:
            lines = iter(file)
            for record in zip_longest(lines, lines, lines, lines, fillvalue=b""):
                number += 1
                head, bases, plus, qualities = record
                if not plus or head[0] != AT or plus[0] != PLUS or len(bases) != len(qualities):
                    if not any(line.strip() for line in record):
                        continue  # blank lines at the end
                    check_record(path, number, record)
                yield record
        except EOFError:
            raise Unusable(
                f"{name_of(path)} is truncated: its gzip stream has no end ({number} records are whole)."
            ) from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise Unusable(f"{name_of(path)} is damaged after record {number}: {error}.") from None


def check_record(path: str, number: int, record: Record) -> None:
    """Four lines of the right form, as many qualities as bases."""
    head, bases, plus, qualities = (line.rstrip() for line in record)
    if head[:1] != b"@" or (plus and plus[:1] != b"+"):
        start = head[:40].decode(errors="replace")
        raise Unusable(f"{name_of(path)} is no FASTQ: record {number} begins with {start!r}.")
    if not record[3]:
        raise Unusable(f"{name_of(path)} is truncated: record {number} has fewer than 4 lines.")
    if len(bases) != len(qualities):
        raise Unusable(f"{name_of(path)} has {len(bases)} bases but {len(qualities)} qualities in record {number}.")


def read_name(record: Record) -> bytes:
    """The name that both reads of a pair share."""
    name = (record[0][1:].split(None, 1) or [b""])[0]
    return name[:-2] if name[-2:] in (b"/1", b"/2") else name


def shown(record: Record) -> str:
    """A read's name as an error message can hold it."""
    return read_name(record)[:60].decode(errors="replace")


def pairs_of(first: str, second: str) -> Iterator[Group]:
    """The records of two files side by side; Unusable when they do not belong together."""
    mates = (records_of(first), records_of(second))
    for number, (one, two) in enumerate(zip_longest(*mates), start=1):
        if one is None or two is None:
            more = number + sum(1 for mate in mates for _ in mate)
            counts = (number - 1, more) if one is None else (more, number - 1)
            raise Unusable(
                f"{name_of(first)} has {counts[0]} records and {name_of(second)} has {counts[1]}: "
                "the two files of a pair must have as many."
            )
        if read_name(one) != read_name(two):
            raise Unusable(
                f"{name_of(first)} and {name_of(second)} are no pair: "
                f"record {number} is {shown(one)} in one and {shown(two)} in the other."
            )
        yield one, two


def groups_of(files: list[str]) -> Iterator[Group]:
    """What stays together, in the order of the files."""
    if len(files) > 1:
        return pairs_of(*files)
    return ((record,) for record in records_of(files[0]))


def check(source: Source) -> list[Chunk]:
    """Read all of a source; the one chunk that it is."""
    whole = Chunk(source.files, skip=0)
    for group in groups_of(source.files):
        whole.count(group)
    return [whole]


def split(source: Source, batch_bases: int, chunk_bases: int, prefix: str) -> list[Chunk]:
    """Check a source and write it as chunks of at least ``chunk_bases``, each a whole number of bwa's batches.

    bwa mem -K N ends a batch with the read that brings it to N bases or more, if its number is even (bseq_read in
    bwa.c), and estimates the insert size of each batch anew: so a chunk that ends there is aligned as within the whole.
    """
    chunks: list[Chunk] = []
    writers: list[BinaryIO] = []
    batch = 0
    with ExitStack() as outputs:
        for group in groups_of(source.files):
            if not writers:
                files = [f"{prefix}.{len(chunks)}_{side}.fq" for side in range(1, len(source.files) + 1)]
                writers = [outputs.enter_context(Path(file).open("wb", buffering=BUFFER)) for file in files]
                chunks.append(Chunk(files, skip=sum(chunk.reads for chunk in chunks)))
            for writer, record in zip(writers, group, strict=True):
                writer.writelines(record)
            batch += chunks[-1].count(group)
            if batch >= batch_bases and chunks[-1].reads % 2 == 0:
                batch = 0
                if chunks[-1].bases >= chunk_bases:
                    outputs.pop_all().close()
                    writers = []
    return chunks
