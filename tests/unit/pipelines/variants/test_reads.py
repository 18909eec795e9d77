"""Which files belong to which sample, and how the alignment is planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastq import Chunk, Source
from reads import checked_name, identities, jobs_of, paired, plan_of, sample_of
from unusable import Unusable


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("NA12878_S1_L001_R1_001.fastq.gz", "NA12878_S1"),
        ("NA12878_S1_L002_R1_001.fastq.gz", "NA12878_S1"),
        ("lambda_1.fq.gz", "lambda"),
        ("tumour.R1.fq", "tumour"),
        ("reads-2.fastq", "reads"),
        ("ERR001.fastq.gz", "ERR001"),
        ("sample12.fq", "sample12"),
        ("1.fq", "1"),
        ("_1.fq", "_1"),
    ],
)
def test_a_sample_is_called_by_its_file_without_endings_lane_and_read_number(name: str, sample: str) -> None:
    assert sample_of(f"/inputs/reads/{name}") == sample


def test_files_are_paired_in_the_order_they_are_given() -> None:
    sources = paired(["/a_1.fq", "/a_2.fq", "/b_1.fq", "/b_2.fq"])
    assert [(source.sample, source.files) for source in sources] == [
        ("a", ["/a_1.fq", "/a_2.fq"]),
        ("b", ["/b_1.fq", "/b_2.fq"]),
    ]


def test_a_file_without_its_mate_is_refused_by_name() -> None:
    with pytest.raises(Unusable, match=r"There are 3 files of reads; give two for each pair \(c_1\.fq is alone\)"):
        paired(["/a_1.fq", "/a_2.fq", "/in/c_1.fq"])


def chunk(bases: int, name: str = "x") -> Chunk:
    return Chunk([name], skip=0, reads=1, bases=bases)


@pytest.mark.parametrize(
    ("sizes", "jobs"),
    [
        ([5], [[5]]),
        ([0], [[0]]),
        ([4, 4, 4], [[4, 4], [4]]),
        ([10, 1, 1], [[10], [1, 1]]),
        ([1, 10, 1], [[1], [10], [1]]),
        ([20, 20], [[20], [20]]),
    ],
)
def test_chunks_share_a_job_until_it_is_large_enough(sizes: list[int], jobs: list[list[int]]) -> None:
    found = jobs_of([chunk(size) for size in sizes], 10)
    assert [[part["bases"] for part in job] for job in found] == jobs


def test_the_lanes_of_a_sample_become_one_sample() -> None:
    sources = [Source("a", ["1"], [chunk(5, "1")]), Source("b", ["2"], [chunk(5)]), Source("a", ["3"], [chunk(7, "3")])]
    plan: dict[str, Any] = plan_of(sources, 100)
    assert plan["bases"] == 17
    assert plan["reads"] == 3
    first, second = plan["samples"]
    assert (first["id"], first["name"]) == ("a", "a")
    assert [part["files"] for job in first["jobs"] for part in job] == [["1"], ["3"]]
    assert second["name"] == "b"


def test_a_long_name_is_cut_in_file_names_and_still_its_own() -> None:
    names = [f"{'x' * 300}{number}" for number in range(3)]
    found = list(identities(names).values())
    assert len(set(found)) == 3
    assert max(map(len, found)) < 100


def test_samples_get_file_names_that_are_safe_and_differ() -> None:
    assert identities(["a b", "a/b", "a.b", "ünïcode", "plain-1"]) == {
        "a b": "a_b",
        "a/b": "a_b_2",
        "a.b": "a_b_3",
        "ünïcode": "_n_code",
        "plain-1": "plain-1",
    }


@pytest.mark.parametrize("name", ["a\tb", "a\\tb", "a\nb"])
def test_a_sample_name_that_would_break_a_header_is_refused(name: str) -> None:
    with pytest.raises(Unusable, match="cannot be a sample's name"):
        checked_name(name)


def test_spaces_in_a_sample_name_are_kept(tmp_path: Path) -> None:
    assert checked_name("patient 7 (blood)") == "patient 7 (blood)"
