"""What a report is about: the calls, and the depth along the genome."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """One allele that differs from the reference, and the genotypes of the samples."""

    contig: str
    position: int
    kind: str
    quality: float
    passed: bool
    genotypes: dict[str, str]


@dataclass(frozen=True)
class Bin:
    """Mean depth in an interval of the genome."""

    contig: str
    start: int
    end: int
    depth: float
