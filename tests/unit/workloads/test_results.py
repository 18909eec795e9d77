"""Packing results."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import zstandard

from penstock.workloads.halt import Halt, Halted
from penstock.workloads.models import Result
from penstock.workloads.places import Places
from penstock.workloads.results import manifest, parse_manifest, publish, read_published

CONTENTS = {"b.txt": b"b" * 100_000, "a/deep.txt": b"a", "with space.txt": b"", "back\\slash": b"x", "ü.txt": b"u"}


class HaltAfter(Halt):
    """Halts at the n-th look: what a kill there would leave behind."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def check(self) -> None:
        if self.left == 0:
            raise Halted
        self.left -= 1


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """What an engine made."""
    for name, content in CONTENTS.items():
        path = tmp_path / "workloads/w/work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "workloads/w/work"


def pack(work: Path, halt: Halt | None = None) -> Path:
    places = Places(work.parents[2])
    publish(places, "ada", "w", work, list(CONTENTS), halt or Halt())
    return places.results("ada", "w")


def test_files_manifest_and_archive_hold_the_same(work: Path) -> None:
    folder = pack(work)
    assert {name: (folder / "files" / name).read_bytes() for name in CONTENTS} == CONTENTS
    pairs = parse_manifest((folder / "manifest.sha256").read_text())
    assert {name: sha256 for sha256, name in pairs} == {
        name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()
    }
    with (
        (folder / "results.tar.zst").open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as archive,
    ):
        names = [entry.name for entry in archive]
    assert names == ["manifest.sha256", *sorted(CONTENTS)]


def test_sha256sum_agrees_with_the_manifest(work: Path) -> None:
    folder = pack(work)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "../manifest.sha256"], cwd=folder / "files", check=True
    )


def test_the_unpacked_archive_can_be_checked_where_it_lies(work: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    with (pack(work) / "results.tar.zst").open("rb") as file:
        plain = zstandard.ZstdDecompressor().stream_reader(file).read()
    subprocess.run(["tar", "-x", "-C", unpacked], input=plain, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "manifest.sha256"], cwd=unpacked, check=True)


def test_the_same_files_make_the_same_archive(work: Path) -> None:
    first = (pack(work) / "results.tar.zst").read_bytes()
    places = Places(work.parents[2])
    publish(places, "eve", "w", work, list(reversed(CONTENTS)), Halt())
    assert (places.results("eve", "w") / "results.tar.zst").read_bytes() == first


def test_names_and_modes_are_those_of_the_workspace(work: Path) -> None:
    folder = pack(work)
    assert (folder / "files/b.txt").stat().st_mode & 0o7777 == 0o640
    assert (folder / "files/a").stat().st_mode & 0o7777 == 0o2750


def test_a_second_try_finds_what_the_first_one_published(work: Path) -> None:
    folder = pack(work)
    before = (folder / "results.tar.zst").stat().st_mtime_ns
    again = publish(Places(work.parents[2]), "ada", "w", work, [], Halt())
    assert again == read_published(folder)
    assert {one.name: one.size for one in again} == {name: len(content) for name, content in CONTENTS.items()}
    assert (folder / "results.tar.zst").stat().st_mtime_ns == before


def test_nothing_appears_before_all_is_packed_wherever_it_is_cut(work: Path) -> None:
    looks = 0
    while True:
        try:
            folder = pack(work, HaltAfter(looks))
        except Halted:
            assert not Places(work.parents[2]).results("ada", "w").exists()
            looks += 1
        else:
            break
    assert looks > len(CONTENTS)
    assert {name: (folder / "files" / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert not Places(work.parents[2]).packing("w").exists()


def test_what_tells_of_the_results_is_packed_with_them_and_takes_nobodys_name(work: Path) -> None:
    (work / "report.html").write_text("the pipeline's own")
    places = Places(work.parents[2])

    def describe(folder: Path, results: Sequence[Result], name: str) -> bytes:
        assert (folder / "b.txt").exists()
        return f"{name} after {len(results)}".encode()

    described = [("report.html", describe), ("ro-crate-metadata.json", describe)]
    results = publish(places, "ada", "w", work, ["b.txt", "report.html"], Halt(), described)
    files = places.results("ada", "w") / "files"
    assert [one.name for one in results] == ["b.txt", "penstock-report.html", "report.html", "ro-crate-metadata.json"]
    assert (files / "report.html").read_text() == "the pipeline's own"
    assert (files / "penstock-report.html").read_text() == "penstock-report.html after 2"
    assert (files / "ro-crate-metadata.json").read_text() == "ro-crate-metadata.json after 3"
    assert read_published(files.parent) == results


def test_a_link_that_takes_a_files_place_is_not_followed(work: Path, tmp_path: Path) -> None:
    (work / "b.txt").unlink()
    (outside := tmp_path / "outside").write_text("secret")
    outside.chmod(0o600)
    (work / "b.txt").symlink_to(outside)
    with pytest.raises(OSError, match=r"b\.txt"):
        pack(work)
    assert outside.stat().st_mode & 0o7777 == 0o600


def test_an_empty_manifest_is_empty() -> None:
    assert manifest([]) == ""
    assert parse_manifest("") == []
