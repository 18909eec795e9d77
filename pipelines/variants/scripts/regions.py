"""Cut a genome into parts of about equal length for calling, in the genome's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PADDING = 1000  # bases: beyond any read and any haplotype that freebayes builds of reads


@dataclass(frozen=True)
class Interval:
    """Positions ``start`` to ``end`` of a contig, 0-based, end not included, as in BED."""

    contig: str
    start: int
    end: int

    def padded(self, length: int) -> Interval:
        """With what a caller has to see on both sides."""
        return Interval(self.contig, max(0, self.start - PADDING), min(length, self.end + PADDING))


def contigs_of(index: str) -> dict[str, int]:
    """Lengths by name, in the genome's order, of a FASTA index (.fai)."""
    rows = (line.split("\t") for line in Path(index).read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows}


def number_of_parts(bases: int, part_bases: int, width: int, contigs: Mapping[str, int]) -> int:
    """How many parts are worth their processes: one for each ``part_bases`` of reads, at most ``width``."""
    return max(1, min(bases // part_bases, width, sum(contigs.values()) // PADDING))


def cut(contigs: Mapping[str, int], parts: int, borders: Mapping[str, Iterable[int]] | None = None) -> list[list[Interval]]:
    """The intervals of each part. ``borders`` (contig: positions) cut there instead, for tests."""
    if borders:
        return [[interval] for contig, length in contigs.items() for interval in _pieces(contig, length, borders)]
    share = -(-sum(contigs.values()) // parts)
    found: list[list[Interval]] = [[]]
    room = share
    for contig, length in contigs.items():
        start = 0
        while start < length:
            end = min(length, start + room)
            found[-1].append(Interval(contig, start, end))
            room -= end - start
            start = end
            if not room:
                found.append([])
                room = share
    return [part for part in found if part]


def _pieces(contig: str, length: int, borders: Mapping[str, Iterable[int]]) -> list[Interval]:
    at = [0, *sorted(border for border in set(borders.get(contig, ())) if 0 < border < length), length]
    return [Interval(contig, start, end) for start, end in zip(at, at[1:], strict=False)]
