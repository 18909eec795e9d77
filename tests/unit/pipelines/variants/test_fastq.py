"""FASTQ: what is accepted, what is refused and how, and where chunks are cut."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from fastq import Chunk, Source, check, split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unusable import Unusable


def record(name: str, bases: str) -> str:
    return f"@{name}\n{bases}\n+\n{'I' * len(bases)}\n"


def records(count: int, length: int = 10, prefix: str = "r") -> str:
    return "".join(record(f"{prefix}{number}", "ACGT" * length) for number in range(count))


def put(path: Path, text: str, *, packed: bool = False) -> str:
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
    return str(path)


def checked(*files: str) -> Chunk:
    (whole,) = check(Source("sample", list(files)))
    return whole


@pytest.mark.parametrize("packed", [False, True])
def test_a_pair_is_counted(tmp_path: Path, packed: bool) -> None:
    first, second = (put(tmp_path / f"{side}.fq", records(3), packed=packed) for side in (1, 2))
    assert checked(first, second) == Chunk([first, second], skip=0, reads=6, bases=240)


def test_one_file_alone_is_counted(tmp_path: Path) -> None:
    assert checked(put(tmp_path / "a.fq", records(5))).reads == 5


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fq.gz"
    path.write_bytes(gzip.compress(records(2).encode()) + gzip.compress(records(3).encode()))
    assert checked(str(path)).reads == 5


@pytest.mark.parametrize(
    "text",
    [
        records(2).rstrip("\n"),
        records(2) + "\n\n",
        records(2).replace("\n", "\r\n"),
        records(2).replace("+\n", "+r\n"),
        "@a\n\n+\n\n" + records(1),
    ],
)
def test_what_programs_write_is_accepted(tmp_path: Path, text: str) -> None:
    assert checked(put(tmp_path / "a.fq", text)).reads == 2


@pytest.mark.parametrize("names", [("a/1", "a/2"), ("a 1:N:0", "a 2:N:0"), ("a", "a")])
def test_mates_are_known_by_every_common_way_to_name_them(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = (put(tmp_path / f"{side}.fq", record(name, "ACGT")) for side, name in enumerate(names))
    assert checked(first, second).reads == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (">a\nACGT\n", "a.fq is no FASTQ: record 1 begins with '>a'."),
        (records(1) + "ACGT\n" * 4, "a.fq is no FASTQ: record 2 begins with 'ACGT'."),
        (records(1) + "@b\nACGT\n-\nIIII\n", "a.fq is no FASTQ: record 2 begins with '@b'."),
        (records(1) + "@b\nACGT\n+\n", "a.fq is truncated: record 2 has fewer than 4 lines."),
        (records(1) + "@b\n", "a.fq is truncated: record 2 has fewer than 4 lines."),
        ("@b\nACGT\n+\nIII\n", "a.fq has 4 bases but 3 qualities in record 1."),
        ("\x00\x01\x02", "a.fq is no FASTQ: record 1 begins with '\\x00\\x01\\x02'."),
    ],
)
def test_what_is_no_fastq_is_refused_by_record(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Unusable) as caught:
        checked(put(tmp_path / "a.fq", text))
    assert str(caught.value) == says


def test_a_truncated_gzip_is_refused_and_says_how_much_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.fq.gz"
    content = gzip.compress(records(20_000).encode())
    path.write_bytes(content[: len(content) - 20])
    with pytest.raises(
        Unusable, match=r"^a\.fq\.gz is truncated: its gzip stream has no end \(\d+ records are whole\)"
    ):
        checked(str(path))


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.fq.gz"
    content = bytearray(gzip.compress(records(1000).encode()))
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(Unusable, match=r"^a\.fq\.gz is (damaged|no FASTQ|truncated)"):
        checked(str(path))


@pytest.mark.parametrize("counts", [(3, 5), (5, 3), (0, 2), (2, 0)])
def test_a_pair_of_unequal_counts_is_refused_with_both_files_and_counts(
    tmp_path: Path, counts: tuple[int, int]
) -> None:
    files = [put(tmp_path / f"{side}.fq", records(count)) for side, count in enumerate(counts)]
    with pytest.raises(Unusable) as caught:
        checked(*files)
    assert str(caught.value) == (
        f"0.fq has {counts[0]} records and 1.fq has {counts[1]}: the two files of a pair must have as many."
    )


def test_files_that_are_no_pair_are_refused_with_the_first_difference(tmp_path: Path) -> None:
    first = put(tmp_path / "1.fq", record("a", "A") + record("b", "A"))
    second = put(tmp_path / "2.fq", record("a", "A") + record("c", "A"))
    with pytest.raises(Unusable, match=r"1\.fq and 2\.fq are no pair: record 2 is b in one and c in the other"):
        checked(first, second)


def cut(tmp_path: Path, files: list[str], batch: int, chunk: int) -> list[Chunk]:
    return split(Source("sample", files), batch, chunk, str(tmp_path / "chunk"))


def test_chunks_hold_everything_once_and_in_order(tmp_path: Path) -> None:
    texts = [records(25), records(25, length=5)]
    files = [put(tmp_path / f"{side}.fq", text, packed=True) for side, text in enumerate(texts)]
    chunks = cut(tmp_path, files, 100, 200)
    assert len(chunks) == 7
    for side, text in enumerate(texts):
        assert "".join(Path(chunk.files[side]).read_text() for chunk in chunks) == text
    assert [chunk.skip for chunk in chunks] == [0, 8, 16, 24, 32, 40, 48]
    assert sum(chunk.bases for chunk in chunks) == 25 * 60


def batches(lengths: list[int], group: int, batch_bases: int) -> set[int]:
    """Numbers of reads before which bwa mem begins a batch, told as bseq_read in bwa.c does it."""
    starts, size, count = {0}, 0, 0
    for number, length in enumerate(lengths, start=1):
        size, count = size + length, count + 1
        if number % group == 0 and size >= batch_bases and count % 2 == 0:
            starts.add(number)
            size = count = 0
    return starts


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    paired=st.booleans(),
    batch=st.integers(1, 120),
    chunk=st.integers(1, 400),
)
def test_chunks_begin_only_where_bwa_begins_a_batch(
    tmp_path: Path, lengths: list[int], paired: bool, batch: int, chunk: int
) -> None:
    sides = 2 if paired else 1
    text = "".join(record(f"r{number}", "A" * length) for number, length in enumerate(lengths))
    files = [put(tmp_path / f"{side}.fq", text) for side in range(sides)]
    chunks = cut(tmp_path, files, batch, chunk)
    in_order = [length for length in lengths for _ in range(sides)]
    assert {each.skip for each in chunks} <= batches(in_order, sides, batch)
    assert sum(each.reads for each in chunks) == len(in_order)
    assert all(each.bases >= chunk for each in chunks[:-1])
