"""Numbers as people read them."""

from __future__ import annotations

import re

import pytest

from penstock.cli import words


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345, "12.3 kB"),
        (123_456, "123 kB"),
        (2_460_000, "2.46 MB"),
        (5 * 10**12, "5.00 TB"),
        (10**19, "10000 PB"),
    ],
)
def test_sizes_are_decimal_with_three_digits(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (59.94, "59.9 s"),
        (61, "1 min 01 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_counts_agree_with_their_noun() -> None:
    assert words.count(1, "file") == "1 file"
    assert words.count(0, "file") == "0 files"
    assert words.count(12_000, "process", "processes") == "12 000 processes"


def test_a_moment_is_shown_in_the_readers_own_time() -> None:
    assert re.fullmatch(r"2026-11-2\d \d\d:24:38", words.moment("2026-11-21T07:24:38.325080Z"))


@pytest.mark.parametrize(("text", "shown"), [(None, ""), ("", ""), ("yesterday", "yesterday")])
def test_what_is_no_moment_stays_as_it_is(text: str | None, shown: str) -> None:
    assert words.moment(text) == shown


def test_the_time_between_two_moments_is_in_seconds() -> None:
    assert words.seconds_between("2026-01-01T00:00:00Z", "2026-01-01T00:01:30.5Z") == 90.5
    assert words.seconds_between("2026-01-01T00:00:00Z", None) is None
    assert words.seconds_between("then", "now") is None
