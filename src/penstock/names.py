"""Ids and safe names: where every name that leaves the process is made or checked."""

from __future__ import annotations

import os
import re
import threading
from pathlib import PurePosixPath

from penstock.clock import now_us
from penstock.errors import InvalidInput

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_ID = re.compile(r"[0-7][0-9a-hjkmnp-tv-z]{25}")
_OWNER = re.compile(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])")
TOOLS_IMAGE = "penstock/tools:1"  # what the local backend maps to this machine's programs
LONGEST_PATH = 1024
LONGEST_SEGMENT = 255
_one_at_a_time, _latest = threading.Lock(), [0]


def new_id(at_ms: int | None = None) -> str:
    """A 26-character lower-case ULID: 48 bits of milliseconds, 80 random bits; sorts by time of creation.

    Those that a process makes within a millisecond sort, too (ULID's monotonicity), by random steps: queues go by them.
    """
    value = ((now_us() // 1000 if at_ms is None else at_ms) << 80) | int.from_bytes(os.urandom(10))
    if at_ms is None:
        with _one_at_a_time:
            if value >> 80 <= _latest[0] >> 80:
                value = _latest[0] + 1 + int.from_bytes(os.urandom(8))
            _latest[0] = value
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an id of ours."""
    return _ID.fullmatch(text) is not None


def attempt_id(task: str, number: int) -> str:
    """The id of a task's attempt; ``number`` counts from 1 and fences the earlier ones off."""
    return f"{task}-{number}"


def split_attempt(attempt: str) -> tuple[str, int]:
    """Task id and number of an attempt id; InvalidInput if it is none."""
    task, _, number = attempt.partition("-")
    if not is_id(task) or not number.isdecimal() or len(number) > 6:
        raise InvalidInput(f"{attempt!r} is not the id of an attempt.")
    return task, int(number)


def check_owner(name: str) -> str:
    """``name`` if it can be an owner: also a bucket name, so 3 to 63 of a-z, 0-9 and '-'."""
    if not _OWNER.fullmatch(name):
        raise InvalidInput(f"{name!r} cannot be an owner.", hint="Use 3 to 63 of a-z, 0-9 and '-'.")
    return name


def check_relative_path(path: str) -> PurePosixPath:
    """``path`` as a safe relative path of plain segments; InvalidInput names what is wrong with it."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or str(pure) != path or len(path) > LONGEST_PATH:
        raise InvalidInput(f"{_shown(path)} is not a plain relative path.")
    for segment in pure.parts:
        _check_segment(segment, path)
    return pure


def check_absolute_path(path: str) -> PurePosixPath:
    """``path`` as an absolute path without '.', '..' or control characters; InvalidInput names it."""
    trimmed = path.rstrip("/")
    if not trimmed.startswith("/") or "//" in trimmed:
        raise InvalidInput(f"{_shown(path)} is not an absolute path.")
    try:
        return PurePosixPath("/") / check_relative_path(trimmed[1:])
    except InvalidInput as error:
        raise InvalidInput(f"{_shown(path)} is not a plain absolute path.") from error


def _check_segment(segment: str, path: str) -> None:
    unsafe = segment in (".", "..") or any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in segment)
    if unsafe or len(segment.encode(errors="replace")) > LONGEST_SEGMENT:
        raise InvalidInput(f"{_shown(path)} has a segment that is not allowed: {_shown(segment)}.")


def _shown(text: str) -> str:
    return ascii(text) if len(text) <= 120 else f"{text[:120]!a}… ({len(text)} characters)"
