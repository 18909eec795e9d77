"""Globs of results."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import InvalidInput
from penstock.workloads.globs import find_results


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory as engines leave it."""
    files = ("calls.vcf.gz", "calls.vcf.gz.tbi", "log.txt", "plots/depth.svg", "plots/deep/er/calls.svg")
    hidden = (".snakemake/log/x.log", "plots/.cache/y.svg", ".hidden.vcf.gz")
    for name in (*files, *hidden):
        path = tmp_path / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "work" / "out.vcf.gz").symlink_to(tmp_path / "secret")
    (tmp_path / "work" / "away").symlink_to(tmp_path)
    return tmp_path / "work"


@pytest.mark.parametrize(
    ("patterns", "found"),
    [
        (["calls.vcf.gz"], ["calls.vcf.gz"]),
        (["*.vcf.gz*"], ["calls.vcf.gz", "calls.vcf.gz.tbi"]),
        (["plots/*.svg"], ["plots/depth.svg"]),
        (["plots/**/*.svg"], ["plots/deep/er/calls.svg", "plots/depth.svg"]),
        (["**/*.svg"], ["plots/deep/er/calls.svg", "plots/depth.svg"]),
        (["plots"], ["plots/deep/er/calls.svg", "plots/depth.svg"]),
        (["plots/"], ["plots/deep/er/calls.svg", "plots/depth.svg"]),
        (["plots/**"], ["plots/deep/er/calls.svg", "plots/depth.svg"]),
        (["l?g.[t]xt", "log.txt"], ["log.txt"]),
        ([".snakemake/log/*"], [".snakemake/log/x.log"]),
        (["absent", "CALLS*"], []),
        ([], []),
    ],
)
def test_a_pattern_finds_what_its_author_expects(work: Path, patterns: list[str], found: list[str]) -> None:
    assert find_results(work, patterns) == found


@pytest.mark.parametrize("pattern", ["out.vcf.gz", "away", "away/*", "away/**", "**/secret"])
def test_links_are_neither_taken_nor_followed(work: Path, pattern: str) -> None:
    assert find_results(work, [pattern]) == []


@pytest.mark.parametrize("pattern", ["../secret", "/etc/passwd", "plots/../../secret"])
def test_a_pattern_cannot_leave_the_working_directory(work: Path, pattern: str) -> None:
    with pytest.raises(InvalidInput):
        find_results(work, [pattern])
