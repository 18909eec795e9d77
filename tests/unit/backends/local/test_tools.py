"""Reading versions out of what programs say."""

from __future__ import annotations

import pytest

from penstock.backends.local.tools import parse_version


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("samtools 1.16.1\nUsing htslib 1.16\n", "1.16.1"),
        ("bcftools 1.16\n", "1.16"),
        ("version:  v1.3.6\n", "1.3.6"),
        ("\nProgram: bwa (alignment)\nVersion: 0.7.17-r1188\nContact: x\n", "0.7.17-r1188"),
        ("usage: nothing\n", "unknown"),
    ],
)
def test_the_version_is_found(said: str, version: str) -> None:
    assert parse_version(said) == version
