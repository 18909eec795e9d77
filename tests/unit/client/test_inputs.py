"""Local files, their bundle, and what is refused before anything is sent."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.client.inputs import MANY, SMALL, Bundle, LocalFile, RemoteFile, look_at, pack
from penstock.errors import InputChanged, InvalidInput


def make(folder: Path, name: str, content: bytes) -> LocalFile:
    path = folder / name
    path.write_bytes(content)
    return look_at("reads", path)


def joined(source: LocalFile | Bundle, offset: int) -> bytes:
    return b"".join(source.pieces(offset))


def test_a_file_is_looked_at_without_being_read(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"ACGT")
    assert (found.role, found.name, found.size, found.sha256) == ("reads", "r1.fq", 4, "")


def test_a_missing_file_is_named_with_its_role(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Input 'reads': cannot find .*no\.fq: No such file"):
        look_at("reads", tmp_path / "no.fq")


def test_a_directory_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a directory") as caught:
        look_at("reads", tmp_path)
    assert "Name the files" in caught.value.hint


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is empty"):
        make(tmp_path, "r1.fq", b"")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="not a regular file"):
        look_at("reads", tmp_path / "pipe")


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(InvalidInput, match="no permission to read"):
        make(tmp_path, "r1.fq", b"x")


def test_a_file_can_be_read_from_any_byte_on(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"0123456789")
    assert joined(found, 0) == b"0123456789"
    assert joined(found, 7) == b"789"
    assert joined(found, 10) == b""


def test_a_file_edited_since_is_not_sent(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"0123456789")
    found.path.write_bytes(b"01234567890")
    with pytest.raises(InputChanged, match=r"r1\.fq was changed since"):
        joined(found, 0)


def test_a_file_edited_while_it_is_sent_is_noticed(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"0123456789")
    pieces = found.pieces(0)
    next(pieces)
    os.utime(found.path, ns=(1, 1))
    with pytest.raises(InputChanged):
        list(pieces)


def test_a_file_removed_since_is_named(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"0123456789")
    found.path.unlink()
    with pytest.raises(InputChanged, match="can no longer be read"):
        found.check_unchanged()


def test_the_name_of_a_url_is_its_last_part() -> None:
    assert RemoteFile("reads", "https://there/a/r1.fq.gz?sign=x/y").name == "r1.fq.gz"
    assert RemoteFile("reads", "file:///workspace/owners/me/data/r1.fq").name == "r1.fq"


def test_a_bundle_is_a_tar_of_role_and_name(tmp_path: Path) -> None:
    files = [make(tmp_path, f"r{number}.fq", b"x" * number) for number in (1, 512, 513)]
    bundle = Bundle(tuple(files))
    with tarfile.open(fileobj=io.BytesIO(joined(bundle, 0))) as archive:
        assert archive.getnames() == ["reads/r1.fq", "reads/r512.fq", "reads/r513.fq"]
        member = archive.extractfile("reads/r513.fq")
        assert member is not None
        assert member.read() == b"x" * 513


def test_a_bundle_says_its_size_before_it_is_made(tmp_path: Path) -> None:
    long_name = "é" * 90 + ".fq"  # needs a further header
    bundle = Bundle((make(tmp_path, "r.fq", b"abc"), make(tmp_path, long_name, b"x" * 2000)))
    assert bundle.size == len(joined(bundle, 0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle")
    return Bundle(tuple(make(folder, f"r{size}.fq", b"y" * size) for size in (1, 511, 512, 513, 3000)))


@given(offset=st.integers(0, 9000))
def test_a_bundle_goes_on_at_any_byte(bundle: Bundle, offset: int) -> None:
    assert joined(bundle, offset) == joined(bundle, 0)[offset:]


def test_equal_files_make_equal_bundles_whenever_they_were_written(tmp_path: Path) -> None:
    found = make(tmp_path, "r1.fq", b"ACGT")
    first = Bundle((found,)).sha256()
    os.utime(found.path, ns=(1, 1))
    assert Bundle((look_at("reads", found.path),)).sha256() == first


def test_many_small_files_are_packed(tmp_path: Path) -> None:
    files = [make(tmp_path, f"r{number:02}.fq", b"x") for number in range(MANY + 1)]
    packed = pack(files)
    assert packed is not None
    assert [file.name for file in packed.files] == sorted(file.name for file in files)


def test_few_or_large_files_are_not_packed(tmp_path: Path) -> None:
    few = [make(tmp_path, f"r{number:02}.fq", b"x") for number in range(MANY)]
    assert pack(few) is None
    large = [LocalFile("reads", tmp_path / f"r{number}", SMALL, 0) for number in range(MANY + 1)]
    assert pack(large) is None
