"""Cut a genome into windows for calling, in the genome's order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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


Window = Sequence[Interval]


def contigs_of(index: str) -> dict[str, int]:
    """Lengths by name, in the genome's order, of a FASTA index (.fai)."""
    rows = (line.split("\t") for line in Path(index).read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows}


def windows_of(
    contigs: Mapping[str, int], bases: int, window_bases: int, borders: Mapping[str, Iterable[int]] | None = None
) -> list[Window]:
    """Windows that hold about ``window_bases`` of the ``bases`` of all reads each.

    They follow from genome and reads alone, never from how many processes there will be. ``borders`` (contig:
    positions) cut there instead, for tests.
    """
    if borders:
        return [[interval] for contig, length in contigs.items() for interval in _pieces(contig, length, borders)]
    total = sum(contigs.values())
    count = max(1, min(bases // window_bases, total // (10 * PADDING)))
    share = -(-total // count)
    return [prefix for start in range(0, total, share) if (prefix := between(contigs, start, start + share))]


def between(contigs: Mapping[str, int], start: int, end: int) -> Window:
    """The intervals from ``start`` to ``end`` of the contigs laid one after the other."""
    found, offset = [], 0
    for contig, length in contigs.items():
        interval = Interval(contig, max(0, start - offset), min(length, end - offset))
        if interval.start < interval.end:
            found.append(interval)
        offset += length
    return found


def share_of(windows: Sequence[Window], part: int, parts: int) -> Sequence[Window]:
    """What one of several processes calls: windows that follow each other."""
    return windows[part * len(windows) // parts : (part + 1) * len(windows) // parts]


def merged(intervals: Iterable[Interval], contigs: Iterable[str]) -> list[Interval]:
    """The same positions in the genome's order, without overlaps."""
    rank = {contig: number for number, contig in enumerate(contigs)}
    found: list[Interval] = []
    for interval in sorted(intervals, key=lambda each: (rank[each.contig], each.start)):
        last = found[-1] if found else None
        if last and last.contig == interval.contig and interval.start <= last.end:
            found[-1] = Interval(last.contig, last.start, max(last.end, interval.end))
        else:
            found.append(interval)
    return found


def _pieces(contig: str, length: int, borders: Mapping[str, Iterable[int]]) -> list[Interval]:
    at = [0, *sorted(border for border in set(borders.get(contig, ())) if 0 < border < length), length]
    return [Interval(contig, start, end) for start, end in pairwise(at)]
