"""Which reference is accepted, and how others are refused."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from reference import write_checked
from unusable import Unusable


def written(path: Path, content: bytes) -> bytes:
    path.write_bytes(content)
    output = io.BytesIO()
    write_checked(str(path), output)
    return output.getvalue()


@pytest.mark.parametrize(
    ("content", "plain"),
    [
        (b">a\nACGT\n", b">a\nACGT\n"),
        (b">a one\r\nACGT\r\nnnRY\r\n\r\n>b\r\nA", b">a one\nACGT\nnnRY\n>b\nA\n"),
        (gzip.compress(b">a\nACGT\n", mtime=0), b">a\nACGT\n"),
        (b"\n\n>a\nAC\n", b">a\nAC\n"),
    ],
)
def test_a_reference_is_written_plain(tmp_path: Path, content: bytes, plain: bytes) -> None:
    assert written(tmp_path / "ref.fa", content) == plain


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "ref.fa is empty: a reference needs at least one sequence."),
        (b"\n \n", "ref.fa is empty: a reference needs at least one sequence."),
        (gzip.compress(b"", mtime=0), "ref.fa is empty: a reference needs at least one sequence."),
        (b"ACGT\n", "ref.fa is no FASTA: line 1 is 'ACGT', not '>name'."),
        (b"@read\nACGT\n+\nIIII\n", "ref.fa is no FASTA: line 1 is '@read', not '>name'."),
        (b">a\n", "ref.fa has no bases in sequence a."),
        (b">a\n>b\nACGT\n", "ref.fa has no bases in sequence a."),
        (b">a\nACGT\n>b\n", "ref.fa has no bases in sequence b."),
        (b">a\nAC\n>a again\nAC\n", "ref.fa has two sequences named a."),
        (b"> \nAC\n", "ref.fa has a sequence without a name in line 1."),
        (b">a\nACGT\nMKLVE*\n", "ref.fa is no nucleotide FASTA: line 3 holds 'L' in 'MKLVE*'."),
        (b">a\nAC GT\n", "ref.fa is no nucleotide FASTA: line 2 holds ' ' in 'AC GT'."),
        (gzip.compress(b">a\n" + b"ACGT" * 100, mtime=0)[:-9], "ref.fa is truncated: its gzip stream has no end."),
    ],
)
def test_what_is_no_reference_is_refused_by_name_and_line(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(Unusable) as caught:
        written(tmp_path / "ref.fa", content)
    assert str(caught.value) == says


def test_a_damaged_gzip_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b">a\n" + b"ACGTTGCA" * 1000))
    content[12] ^= 0xFF
    with pytest.raises(Unusable, match=r"^ref\.fa is "):
        written(tmp_path / "ref.fa", bytes(content))
