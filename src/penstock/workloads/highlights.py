"""What of the results is shown in the report itself: the pipeline's summary, and pictures. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.workloads.models import Result

MOST_PICTURES, LARGEST_PICTURE = 6, 1 << 20
MOST_ROWS, MOST_COLUMNS, LARGEST_SUMMARY, LONGEST_CELL = 60, 16, 1 << 18, 200
SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True)
class Picture:
    """One file of the results that a browser can show."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Highlights:
    """``summary`` has its heads in the first row."""

    summary: tuple[tuple[str, ...], ...] = ()
    pictures: tuple[Picture, ...] = ()


NOTHING = Highlights()


def look_at(folder: Path, results: Sequence[Result], summary: str | None) -> Highlights:
    """Find them among the ``results`` in ``folder``; ``summary`` is the name of the pipeline's table."""
    rows = next((_rows(folder / one.name) for one in results if one.name == summary and _is_table(one)), ())
    pictures = _pictures(folder, [one for one in results if one.size <= LARGEST_PICTURE])
    return Highlights(rows, tuple(picture for picture, _ in zip(pictures, range(MOST_PICTURES), strict=False)))


def _is_table(one: Result) -> bool:
    return one.name.endswith(".tsv") and one.size <= LARGEST_SUMMARY


def _rows(path: Path) -> tuple[tuple[str, ...], ...]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    rows = [line.split("\t")[:MOST_COLUMNS] for line in lines[:MOST_ROWS] if line]
    return tuple(tuple(cell[:LONGEST_CELL] for cell in row) for row in rows)


def _pictures(folder: Path, results: Sequence[Result]) -> Iterator[Picture]:
    for one in results:
        if not one.name.lower().endswith((".png", ".jpg", ".jpeg")):
            continue
        content = (folder / one.name).read_bytes()
        for signature, media_type in SIGNATURES.items():
            if content.startswith(signature):
                yield Picture(one.name, media_type, content)
