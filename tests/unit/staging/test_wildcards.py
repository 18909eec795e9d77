"""Wildcards by the rules of POSIX 2.13."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.staging.wildcards import expand, has_wildcards, segment_matcher


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "abc", True),
        ("*", "", True),
        ("*", ".hidden", False),
        (".*", ".hidden", True),
        ("?x", ".x", False),
        ("[.]x", ".x", False),
        ("\\.*", ".x", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a*c", "a/c", False),
        ("[ab]", "b", True),
        ("[!ab]", "b", False),
        ("[^ab]", "c", True),
        ("[a-c]x", "bx", True),
        ("[c-a]x", "bx", False),
        ("[]]", "]", True),
        ("[!]]", "]", False),
        ("[", "[", True),
        ("[a", "[a", True),
        ("[a\\]", "\\", True),
        ("\\*", "*", True),
        ("\\*", "x", False),
        ("a.b", "aXb", False),
        ("(a|b)+", "(a|b)+", True),
        ("*\n*", "a\nb", True),
        ("[&&~~||--]", "&", True),
        ("ü*", "über", True),
    ],
)
def test_a_segment_matches(pattern: str, name: str, matches: bool) -> None:
    assert segment_matcher(pattern)(name) is matches


@given(st.text("ab*?[]!-^\\.", max_size=8), st.text("ab]!-^\\.", max_size=5))
def test_every_pattern_can_be_tried(pattern: str, name: str) -> None:
    segment_matcher(pattern)(name)


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=6))
def test_plain_patterns_match_as_everywhere(pattern: str, name: str) -> None:
    assert segment_matcher(pattern)(name) == fnmatch.fnmatchcase(name, pattern)


TREE = {"/": ["out", ".git"], "/out": ["b", "a", ".h", "x"], "/out/a": ["1.txt", "2.log"], "/out/b": ["1.txt"]}


def names(folder: str) -> list[str]:
    """A tree without a disk."""
    return TREE.get(folder, [])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/out/*", ["/out/a", "/out/b", "/out/x"]),
        ("/out/*/1.txt", ["/out/a/1.txt", "/out/b/1.txt", "/out/x/1.txt"]),
        ("/out/*/*.txt", ["/out/a/1.txt", "/out/b/1.txt"]),
        ("/*/a/[0-9].log", ["/out/a/2.log"]),
        ("/none/*", []),
        ("/out/a/1.txt/*", []),
    ],
)
def test_a_pattern_is_expanded_segment_by_segment(pattern: str, found: list[str]) -> None:
    assert expand(pattern, names) == found


def test_what_is_a_pattern() -> None:
    assert [has_wildcards(path) for path in ("/a/b", "/a*", "/a?", "/[a]")] == [False, True, True, True]
