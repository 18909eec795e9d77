"""Numbers as people read them."""

from __future__ import annotations

from datetime import datetime

_STEP = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """Bytes in decimal units with three digits: 999 B, 4.20 kB, 12.3 MB."""
    for unit in _UNITS:
        if count < _STEP or unit == _UNITS[-1]:
            break
        count /= _STEP
    if unit == "B":
        return f"{count:.0f} B"
    digits = 2 if count < 10 else 1 if count < 100 else 0
    return f"{count:.{digits}f} {unit}"


def duration(seconds: float) -> str:
    """Two units at most: 4.2 s, 3 min 05 s, 2 h 03 min, 4 d 2 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def count(number: int, noun: str, plural: str = "") -> str:
    """1 file, 2 files, 3 processes."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}".replace(",", " ")


def moment(text: str | None) -> str:
    """An RFC 3339 time in the reader's own time zone, to the second; what is none stays as it is."""
    if not text:
        return ""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def seconds_between(start: str | None, end: str | None) -> float | None:
    """How long it was between two RFC 3339 times; None if one is missing."""
    if not start or not end:
        return None
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return None
