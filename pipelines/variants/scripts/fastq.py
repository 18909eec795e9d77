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
Record = tuple[bytes, bytes, bytes, bytes]


@dataclass
class Chunk:
    """One or two FASTQ files for one run of bwa mem. ``skip`` reads of the same source come before it."""

    files: list[str]
    skip: int
    reads: int = 0
    bases: int = 0


@dataclass
class Source:
    """One FASTQ file, or a pair, whose records belong to one sample."""

    sample: str
    files: list[str]
    chunks: list[Chunk] = field(default_factory=list)


def records_of(path: str) -> Iterator[Record]:
    """Every record of a plain or gzipped FASTQ file; Unusable names the first that is none."""
    with open(path, "rb") as probe:
        packed = probe.read(2) == GZIP_MAGIC
    with closing(gzip.open(path, "rb") if packed else open(path, "rb", buffering=1 << 20)) as file:
        number = 0
        try:
            while head := file.readline():
                record = (head, file.readline(), file.readline(), file.readline())
                number += 1
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
    head, bases, plus, qualities = record
    if not qualities and head.strip():
        raise Unusable(f"{name_of(path)} is truncated: record {number} has fewer than 4 lines.")
    if head[:1] != b"@" or plus[:1] != b"+":
        raise Unusable(f"{name_of(path)} is no FASTQ: record {number} begins with {head[:40].decode(errors='replace')!r}.")
    if len(bases.rstrip()) != len(qualities.rstrip()):
        raise Unusable(
            f"{name_of(path)} has {len(bases.rstrip())} bases but {len(qualities.rstrip())} qualities in record {number}."
        )


def read_name(record: Record) -> bytes:
    """The name that both reads of a pair share."""
    name = (record[0][1:].split(None, 1) or [b""])[0]
    return name[:-2] if name[-2:] in (b"/1", b"/2") else name


def pairs_of(first: str, second: str) -> Iterator[tuple[Record, ...]]:
    """The records of two files side by side; Unusable when they do not belong together."""
    count = 0
    mates = (records_of(first), records_of(second))
    for count, (one, two) in enumerate(zip_longest(*mates), start=1):
        if one is None or two is None:
            rest = 1 + sum(1 for mate in mates for _ in mate)
            counts = (count - 1, count - 1 + rest) if one is None else (count - 1 + rest, count - 1)
            raise Unusable(
                f"{name_of(first)} has {counts[0]} records and {name_of(second)} has {counts[1]}: "
                "the two files of a pair must have as many."
            )
        if read_name(one) != read_name(two):
            raise Unusable(
                f"{name_of(first)} and {name_of(second)} are no pair: record {count} is "
                f"{read_name(one).decode(errors='replace')} in one and {read_name(two).decode(errors='replace')} in the other."
            )
        yield one, two


def groups_of(files: list[str]) -> Iterator[tuple[Record, ...]]:
    """What stays together: a pair of records, or one."""
    if len(files) == 2:
        return pairs_of(files[0], files[1])
    return ((record,) for record in records_of(files[0]))


def check(source: Source) -> Chunk:
    """Read all of a source; the one chunk that it is."""
    whole = Chunk(source.files, skip=0)
    for group in groups_of(source.files):
        whole.reads += len(group)
        whole.bases += bases_of(group)
    return whole


def split(source: Source, batch_bases: int, chunk_bases: int, prefix: str) -> list[Chunk]:
    """Check a source and write it as chunks of at least ``chunk_bases``, each a whole number of bwa's batches.

    bwa mem -K N ends a batch with the read that brings it to N bases or more, if its number is even, and estimates the
    insert size of each batch anew (bseq_read in bwa.c): so a chunk that ends there is aligned as it is within the whole.
    """
    chunks: list[Chunk] = []
    with ExitStack() as outputs:
        writers: list[BinaryIO] = []
        batch = skip = 0
        for group in groups_of(source.files):
            if not writers:
                files = [f"{prefix}.{len(chunks)}_{side}.fq" for side in range(1, len(source.files) + 1)]
                chunks.append(Chunk(files, skip))
                writers = [outputs.enter_context(open(file, "wb", buffering=1 << 20)) for file in files]
            for writer, record in zip(writers, group, strict=True):
                writer.writelines(record)
            chunks[-1].reads += len(group)
            chunks[-1].bases += bases_of(group)
            batch += bases_of(group)
            if batch >= batch_bases and chunks[-1].reads % 2 == 0:
                batch = 0
                if chunks[-1].bases >= chunk_bases:
                    skip += chunks[-1].reads
                    outputs.pop_all().close()
                    writers = []
    return chunks


def bases_of(group: tuple[Record, ...]) -> int:
    """Bases in one record or a pair."""
    return sum(len(record[1].rstrip()) for record in group)


def packed(path: str) -> bool:
    """Whether a file is gzipped, whatever it is called."""
    with Path(path).open("rb") as probe:
        return probe.read(2) == GZIP_MAGIC
