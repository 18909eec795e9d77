"""Wildcards in output paths: POSIX pattern matching (IEEE Std 1003.1-2017, 2.13), as TES 1.1 prescribes.

``*``, ``?`` and ``[…]`` never match ``/``, and a leading period only matches a period; ``\\`` takes the next character
literally. Imports nothing heavy: the runner uses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator


def has_wildcards(path: str) -> bool:
    """Whether ``path`` is a pattern."""
    return any(character in path for character in "*?[")


def segment_matcher(pattern: str) -> Callable[[str], bool]:
    """A test for names in one directory. ``pattern`` holds no ``/``."""
    compiled = re.compile("".join(_pieces(pattern)), re.DOTALL)
    dot_allowed = pattern.startswith((".", "\\."))

    def matches(name: str) -> bool:
        return (dot_allowed or not name.startswith(".")) and compiled.fullmatch(name) is not None

    return matches


def expand(pattern: str, names: Callable[[str], Iterable[str]]) -> list[str]:
    """Absolute paths that match, sorted. ``names(directory)`` lists a directory; nothing for what is none."""
    found = [""]
    for segment in pattern.strip("/").split("/"):
        if has_wildcards(segment):
            matches = segment_matcher(segment)
            found = [f"{path}/{name}" for path in found for name in names(path or "/") if matches(name)]
        else:
            literal = re.sub(r"\\(.)", r"\1", segment)
            found = [f"{path}/{literal}" for path in found]
    return sorted(found)


def _pieces(pattern: str) -> Iterator[str]:
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            yield "[^/]*"
        elif character == "?":
            yield "[^/]"
        elif character == "[" and (end := _end_of_set(pattern, position)):
            yield _set(pattern[position:end])
            position = end + 1
        elif character == "\\" and position < len(pattern):
            yield re.escape(pattern[position])
            position += 1
        else:
            yield re.escape(character)


def _end_of_set(pattern: str, start: int) -> int:
    """Where the set that starts here is closed; 0 if it never is, and ``[`` then stands for itself."""
    first = start + 1 if pattern[start : start + 1] in ("!", "^") else start
    return max(0, pattern.find("]", first + 1))


def _set(inside: str) -> str:
    negated = inside[:1] in ("!", "^")
    members = "".join(_members(inside[1:] if negated else inside))
    if not members:
        return "[^/]" if negated else "(?!)"
    return f"[^/{members}]" if negated else f"(?!/)[{members}]"


def _members(inside: str) -> Iterator[str]:
    """Characters and ranges of a set, escaped; a range from a later to an earlier character matches nothing."""
    position = 0
    while position < len(inside):
        first, dash, last = inside[position], inside[position + 1 : position + 2], inside[position + 2 : position + 3]
        if dash == "-" and last:
            if first <= last:
                yield f"{re.escape(first)}-{re.escape(last)}"
            position += 3
        else:
            yield re.escape(first)
            position += 1
