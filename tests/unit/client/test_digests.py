"""Digests of local files are read once."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from penstock.client.digests import Digests, hash_file, write_private
from penstock.errors import InputChanged

OLD_S = 100


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reads.fq"
    path.write_bytes(b"@r1\nACGT\n+\nIIII\n" * 1000)
    age(path)
    return path


def age(path: Path) -> None:
    then = time.time() - OLD_S
    os.utime(path, (then, then))


def test_it_is_sha_256(file: Path, tmp_path: Path) -> None:
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert Digests(tmp_path / "d").sha256(file) == expected == hash_file(file)


def test_a_second_look_takes_it_from_memory(file: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "d")
    first = digests.sha256(file)
    entry = next((tmp_path / "d").iterdir())
    entry.write_text(entry.read_text().replace(first, "0" * 64))
    assert digests.sha256(file) == "0" * 64


def test_a_changed_file_is_read_again(file: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "d")
    first = digests.sha256(file)
    file.write_bytes(b"@other")
    age(file)
    assert digests.sha256(file) != first


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "young"
    path.write_bytes(b"x")
    Digests(tmp_path / "d").sha256(path)
    assert not (tmp_path / "d").exists()


def test_a_file_that_grows_while_it_is_read_is_refused(file: Path, tmp_path: Path) -> None:
    def grow(_: int) -> None:
        with file.open("ab") as end:
            end.write(b"more")

    with pytest.raises(InputChanged, match="was changed while it was read"):
        Digests(tmp_path / "d").sha256(file, grow)


def test_progress_is_told_also_of_what_was_remembered(file: Path, tmp_path: Path) -> None:
    digests, told = Digests(tmp_path / "d"), list[int]()
    digests.sha256(file, told.append)
    digests.sha256(file, told.append)
    assert sum(told) == 2 * file.stat().st_size


def test_a_spoilt_memory_is_not_believed(file: Path, tmp_path: Path) -> None:
    digests = Digests(tmp_path / "d")
    first = digests.sha256(file)
    next((tmp_path / "d").iterdir()).write_text("{not json")
    assert digests.sha256(file) == first


def test_private_files_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    write_private(path, "s3cret")
    write_private(path, "other")
    assert path.read_text() == "other"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]
