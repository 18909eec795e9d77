"""Bytes on disk: what is said to be durable was synced, and often enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock.uploads.files import SYNC_BYTES, Appender, durable_size, free_bytes, remove, size

MIB = 1 << 20


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of the file at every fsync of it."""
    seen: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isfile(f"/proc/self/fd/{descriptor}"):  # noqa: PTH113 - a link of the kernel's
            seen.append(os.fstat(descriptor).st_size)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


def test_what_is_appended_follows_what_is_there(tmp_path: Path) -> None:
    for piece in (b"one", b"two"):
        with Appender(tmp_path / "u") as appender:
            appender.append(piece)
            appender.sync()
    assert (tmp_path / "u").read_bytes() == b"onetwo"
    assert appender.position == 6


def test_it_is_synced_every_16_mib(tmp_path: Path, syncs: list[int]) -> None:
    with Appender(tmp_path / "u", Clock()) as appender:
        for _ in range(40):
            appender.append(bytes(MIB))
    assert syncs == [SYNC_BYTES, 2 * SYNC_BYTES]


def test_it_is_synced_every_second(tmp_path: Path, syncs: list[int]) -> None:
    clock = Clock()
    with Appender(tmp_path / "u", clock) as appender:
        for moment in (0.0, 0.9, 1.0, 1.5, 2.1):
            clock.now = moment
            appender.append(b"x")
    assert syncs == [3, 5]


def test_a_second_sync_of_the_same_costs_nothing(tmp_path: Path, syncs: list[int]) -> None:
    with Appender(tmp_path / "u") as appender:
        appender.append(b"x")
        appender.sync()
        appender.sync()
    assert syncs == [1]


def test_a_durable_size_is_synced_before_it_is_told(tmp_path: Path, syncs: list[int]) -> None:
    (tmp_path / "u").write_bytes(b"12345")
    assert durable_size(tmp_path / "u") == 5
    assert syncs == [5]


def test_no_file_is_no_byte(tmp_path: Path) -> None:
    assert (durable_size(tmp_path / "u"), size(tmp_path / "u")) == (0, 0)
    remove(tmp_path / "u")


def test_a_link_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"x")
    (tmp_path / "u").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="u"):
        Appender(tmp_path / "u")
    with pytest.raises(OSError, match="u"):
        durable_size(tmp_path / "u")


def test_a_write_that_takes_only_a_part_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.pwrite

    def little(descriptor: int, data: memoryview, position: int) -> int:
        return real(descriptor, data[:3], position)

    monkeypatch.setattr(os, "pwrite", little)
    with Appender(tmp_path / "u") as appender:
        appender.append(b"0123456789")
    assert (tmp_path / "u").read_bytes() == b"0123456789"


def test_free_space_is_what_the_system_says(tmp_path: Path) -> None:
    assert 0 < free_bytes(tmp_path) <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
