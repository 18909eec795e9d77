"""Keeping the end of a stream."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.backends.attempt.tails import LONGEST, FileTail, PipeTail

PROMISED = 64 * 1024


def through_pipe(*pieces: bytes) -> str:
    """What a tail keeps of these pieces."""
    source, sink = os.pipe()
    tail = PipeTail(source, os.dup(sink))
    tail.given()
    for piece in filter(None, pieces):
        os.write(sink, piece)
        assert tail.read()
    os.close(sink)
    assert not tail.read()
    os.close(source)
    return tail.text()


def test_a_short_stream_is_kept_whole() -> None:
    assert through_pipe(b"one\n", b"two\n") == "one\ntwo\n"


def test_of_a_long_stream_the_end_is_kept() -> None:
    pieces = [bytes([65 + number % 26]) * 30_000 for number in range(60)]
    kept = through_pipe(*pieces)
    assert len(kept) >= PROMISED
    assert b"".join(pieces).decode().endswith(kept)


@pytest.mark.parametrize("shift", range(4))
def test_a_character_that_was_cut_leaves_no_rubbish(shift: int) -> None:
    kept = through_pipe(*["😀".encode() * 10_000] * 3, b"x" * shift)
    assert set(kept) <= {"😀", "x"}
    assert len(kept.encode()) >= PROMISED


def test_a_file_is_read_from_its_end(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a" * LONGEST + b"end")
    descriptor = os.open(tmp_path / "log", os.O_RDWR)
    kept = FileTail(descriptor).text()
    os.close(descriptor)
    assert kept.endswith("aend")
    assert len(kept) == LONGEST
