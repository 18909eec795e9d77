"""The table of calls by sample, kind and quality, and the picture."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from findings import Bin, Call
from plot import draw
from report import COLUMNS, bins_of, kind_of, mean_depth, table


@pytest.mark.parametrize(
    ("reference", "alternative", "kind"),
    [
        ("A", "C", "snv"),
        ("AC", "GT", "mnv"),
        ("A", "ACC", "insertion"),
        ("ACC", "A", "deletion"),
        ("ACC", "AT", "complex"),
        ("AC", "TCG", "complex"),
    ],
)
def test_a_call_is_of_the_kind_that_its_alleles_show(reference: str, alternative: str, kind: str) -> None:
    assert kind_of(reference, alternative) == kind


def call(kind: str, quality: float, **genotypes: str) -> Call:
    return Call("17", 100, kind, quality, quality >= 20, genotypes)


CALLS = [
    call("snv", 5, a="0/1", b="0/0"),
    call("snv", 20, a="1/1", b="."),
    call("snv", 99.9, a="0|1", b="1"),
    call("deletion", 100, a="0/0/0/1", b="0/0"),
]
DEPTHS = {"a": [Bin("17", 0, 100, 4.0), Bin("17", 100, 150, 1.0)], "b": [Bin("17", 0, 100, 0.0)]}


def rows() -> dict[tuple[object, object], dict[str, object]]:
    named = [dict(zip(COLUMNS, row, strict=True)) for row in table(CALLS, DEPTHS)]
    return {(row["sample"], row["kind"]): row for row in named}


def test_a_sample_s_calls_are_those_whose_allele_it_carries_by_kind_and_quality() -> None:
    assert rows()["a", "snv"] == {
        "sample": "a",
        "kind": "snv",
        "calls": 3,
        "passed": 2,
        "quality_below_20": 1,
        "quality_20_to_99": 2,
        "quality_100_up": 0,
        "heterozygous": 2,
        "homozygous": 1,
        "mean_depth": "3.00",
    }
    assert rows()["a", "all"]["calls"] == 4
    assert rows()["a", "deletion"]["quality_100_up"] == 1
    assert rows()["b", "all"]["calls"] == 1
    assert rows()["b", "snv"]["homozygous"] == 1


def test_every_sample_has_a_row_for_every_kind_and_one_for_all() -> None:
    assert len(table([], DEPTHS)) == 2 * 6


def test_the_mean_depth_weighs_bins_by_their_width() -> None:
    assert mean_depth(DEPTHS["a"]) == 3.0


def test_depths_are_sums_over_bins(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("17\t0\t100\t400\n17\t100\t150\t50\n")
    assert bins_of(str(tmp_path / "a.bed")) == DEPTHS["a"]


def test_a_picture_is_drawn_even_of_nothing_and_the_same_twice(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        draw({"17": 150, "18": 30}, {"a": []}, [], 20, str(tmp_path / name))
    content = (tmp_path / "one.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1430, 806)
    assert content == (tmp_path / "two.png").read_bytes()


def test_a_picture_takes_many_samples_and_contigs_with_odd_names(tmp_path: Path) -> None:
    depths = {f"_$sample_{number} & co {'x' * 40}": DEPTHS["a"] for number in range(9)}
    contigs = {"17": 150, "_hidden$": 10, **{f"contig|{number}": 1000 for number in range(50)}}
    draw(contigs, depths, CALLS, 0, str(tmp_path / "many.png"))
    assert (tmp_path / "many.png").stat().st_size > 10_000
