"""Intake: checks, places, and can be cut off and done again at any point."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import InvalidInput, NotFound, Unreachable
from penstock.pipelines.service import read_pipeline
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.intake import Arrived, check_own_data, copy_pipeline, take_in, write_config
from penstock.workloads.models import InputFile, State, Workload
from penstock.workloads.places import Places

CONTENTS = {"a.txt": b"a" * 3_000_000, "b.txt": b"b", "empty.txt": b""}


class HaltAfter(Halt):
    """Halts at the n-th look: what a kill there would leave behind."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.left = looks

    def check(self) -> None:
        if self.left == 0:
            raise Halted
        self.left -= 1


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def workload(*inputs: InputFile) -> Workload:
    values: dict[str, Any] = {"id": "w", "owner": "ada", "name": "", "pipeline": "p", "version": "1", "parameters": {}}
    times: dict[str, Any] = {"sequence": 1, "created_us": 0, "updated_us": 0, "expires_us": None}
    return Workload(**values, **times, state=State.PREPARING, reason="", inputs=inputs)


def declared() -> list[InputFile]:
    return [
        InputFile(role="text", name=name, size=len(content), sha256=sha256(content))
        for name, content in CONTENTS.items()
    ]


def arrive(places: Places) -> list[Arrived]:
    """The files as uploads leave them: one without bytes has no file."""
    incoming = places.make(places.workspace / "incoming")
    arrived = []
    for name, content in CONTENTS.items():
        if content and not (places.inputs("w") / "text" / name).exists():
            (incoming / name).write_bytes(content)
        arrived.append(Arrived("text", name, sha256(content), incoming / name))
    return arrived


def arrive_bundled(places: Places) -> list[Arrived]:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in CONTENTS.items():
            entry = tarfile.TarInfo(f"text/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    path = places.make(places.workspace / "incoming") / "bundle"
    path.write_bytes(packed.getvalue())
    return [Arrived("bundle", "inputs.tar", sha256(packed.getvalue()), path)]


def placed(places: Places) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (places.inputs("w") / "text").iterdir()}


def unreachable(url: str, _target: Path) -> None:
    raise Unreachable(f"{url} is not there.")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """An empty workspace."""
    return Places(tmp_path)


@pytest.mark.parametrize("arriving", [arrive, arrive_bundled])
def test_every_file_is_placed_under_its_role_and_nothing_else_is_left(places: Places, arriving: Any) -> None:
    take_in(places, workload(*declared()), arriving(places), Halt(), unreachable)
    assert placed(places) == CONTENTS
    assert list((places.workspace / "incoming").iterdir()) == []
    assert [path.name for path in places.inputs("w").iterdir()] == ["text"]
    assert (places.inputs("w") / "text").stat().st_mode & 0o7777 == 0o2750
    assert (places.inputs("w") / "text/a.txt").stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize("arriving", [arrive, arrive_bundled])
def test_it_is_the_same_wherever_it_was_cut_off_before(places: Places, arriving: Any) -> None:
    arrived, looks = arriving(places), 0
    while True:
        try:
            take_in(places, workload(*declared()), arrived, HaltAfter(looks), unreachable)
        except Halted:
            looks += 1
        else:
            break
    take_in(places, workload(*declared()), arrived, Halt(), unreachable)
    assert looks > 3
    assert placed(places) == CONTENTS


def test_a_file_with_another_digest_is_named_and_not_placed(places: Places) -> None:
    arrived = arrive(places)
    arrived[1].path.write_bytes(b"X")
    with pytest.raises(InvalidInput) as caught:
        take_in(places, workload(*declared()), arrived, Halt(), unreachable)
    for told in ("b.txt", sha256(b"X"), sha256(b"b")):
        assert told in str(caught.value)
    assert not (places.inputs("w") / "text/b.txt").exists()


def test_a_bundle_with_another_digest_is_not_unpacked(places: Places) -> None:
    (bundle,) = arrive_bundled(places)
    with pytest.raises(InvalidInput, match=r"inputs\.tar"):
        take_in(
            places, workload(*declared()), [Arrived("bundle", "inputs.tar", "0" * 64, bundle.path)], Halt(), unreachable
        )
    assert not (places.inputs("w") / "text").exists()


def test_an_owners_own_file_is_linked_and_stays(places: Places) -> None:
    own = places.make(places.data("ada") / "deep") / "own.txt"
    own.write_bytes(b"own")
    given = InputFile(role="text", name="other.txt", url="file:///workspace/owners/ada/data/deep/own.txt")
    for _ in range(2):
        take_in(places, workload(given), [], Halt(), unreachable)
    assert (places.inputs("w") / "text/other.txt").samefile(own)


def test_an_own_file_that_became_a_link_is_refused(places: Places, tmp_path: Path) -> None:
    (places.make(places.data("ada")) / "own.txt").symlink_to("/etc/hostname")
    given = InputFile(role="text", name="own.txt", url="file:///workspace/owners/ada/data/own.txt")
    with pytest.raises(InvalidInput, match="link"):
        take_in(places, workload(given), [], Halt(), unreachable)
    assert not (places.inputs("w") / "text/own.txt").exists()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("file:///workspace/owners/ada/data/absent", NotFound),
        ("file:///workspace/owners/ada/data/no/such", NotFound),
        ("file:///workspace/owners/ada/data/folder", InvalidInput),
        ("file:///workspace/owners/ada/data/way/own.txt", InvalidInput),
        ("file:///workspace/owners/ada/data/pipe", InvalidInput),
        ("file:///workspace/owners/ada/data/%2e%2e/own.txt", NotFound),
        ("file:///workspace/owners/eve/data/own.txt", InvalidInput),
        ("file://host/workspace/owners/ada/data/own.txt", InvalidInput),
        ("file:///workspace/owners/ada/data/own.txt?x=1", NotFound),
        ("s3://bucket/own.txt", InvalidInput),
    ],
)
def test_only_plain_files_of_the_owners_own_data_are_inputs(places: Places, url: str, error: type[Exception]) -> None:
    data = places.make(places.data("ada"))
    (data / "folder").mkdir()
    (data / "folder/own.txt").write_text("x")
    (data / "way").symlink_to(data / "folder")
    os.mkfifo(data / "pipe")
    with pytest.raises(error):
        check_own_data(places, "ada", url)
    check_own_data(places, "ada", "file:///workspace/owners/ada/data/folder/own.txt")


def test_a_workload_has_its_own_copy_of_the_pipeline(places: Places, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "scripts").mkdir(parents=True)
    (folder / "pipeline.yml").write_text(
        "{name: p, title: P, version: '1', inputs: {text: {title: T, formats: [txt], suffixes: [.txt]}},"
        " results: {files: [x]}}"
    )
    (folder / "Snakefile").write_text("first")
    (folder / "scripts/run.py").write_text("print()")
    (folder / ".snakemake").mkdir()
    (folder / ".snakemake/log").write_text("no part of it")
    copy_pipeline(places, "w", read_pipeline(folder))
    (folder / "Snakefile").write_text("second")
    copy_pipeline(places, "w", read_pipeline(folder))
    copied = places.pipeline("w")
    assert (copied / "Snakefile").read_text() == "first"
    assert sorted(path.name for path in copied.rglob("*")) == ["Snakefile", "pipeline.yml", "run.py", "scripts"]


def test_the_configuration_is_whole_or_not_there(places: Places) -> None:
    write_config(places, "w", {"text": ["/a"]}, {"width": 1}, {"cpu_cores": 2.0, "ram_gb": 4.0})
    written = json.loads((places.work("w") / "config.json").read_text())
    assert written == {
        "inputs": {"text": ["/a"]},
        "parameters": {"width": 1},
        "site": {"cpu_cores": 2.0, "ram_gb": 4.0},
    }
    assert [path.name for path in places.work("w").iterdir()] == ["config.json"]


def test_a_remote_file_is_fetched_once_and_placed(places: Places) -> None:
    asked: list[str] = []

    def fetch(url: str, target: Path) -> None:
        asked.append(url)
        target.write_bytes(b"from elsewhere")

    given = InputFile(role="text", name="far.txt", url="https://example.org/far.txt")
    for _ in range(2):
        take_in(places, workload(given), [], Halt(), fetch)
    assert placed(places) == {"far.txt": b"from elsewhere"}
    assert asked == ["https://example.org/far.txt"]


def test_a_remote_file_that_does_not_come_is_named(places: Places) -> None:
    given = InputFile(role="text", name="far.txt", url="https://example.org/far.txt")
    with pytest.raises(InvalidInput, match=r"https://example\.org/far\.txt could not be fetched"):
        take_in(places, workload(given), [], Halt(), unreachable)
    assert not (places.inputs("w") / "text/far.txt").exists()
