"""What is kept for resuming: found by what was asked for, private, gone when it is over."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from penstock.client.inputs import LocalFile, RemoteFile
from penstock.client.state import FORGET_S, Record, Records, run_key
from penstock.client.workloads import Account
from penstock.errors import Conflict


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "state")


def record(workload: str = "w1", **more: object) -> Record:
    account = Account(name=workload, secret="s3cret")
    fields = {"server": "http://here", "pipeline": "variants", "files": ["reads=/a"], "account": account}
    return Record.model_validate({"workload": workload, **fields, **more})


def file(role: str = "reads", name: str = "/data/r1.fq", sha256: str = "aa") -> LocalFile:
    return LocalFile(role, Path(name), 1, 1, sha256)


BASE = ("http://here", "variants", "1", {"ploidy": 2}, [file()], None)


def test_the_same_command_has_the_same_key_wherever_its_files_lie() -> None:
    moved = (*BASE[:4], [file(name="/elsewhere/r1.fq")], None)
    assert run_key(*BASE) == run_key(*moved)


def test_the_order_of_files_and_parameters_does_not_matter() -> None:
    files: list[LocalFile | RemoteFile] = [
        file(),
        file("reads", "/data/r2.fq", "bb"),
        RemoteFile("reference", "https://x/ref.fa"),
    ]
    one = run_key("u", "p", "1", {"a": 1, "b": 2}, files, None)
    assert one == run_key("u", "p", "1", {"b": 2, "a": 1}, files[::-1], None)


@pytest.mark.parametrize(
    "other",
    [
        ("http://there", *BASE[1:]),
        (BASE[0], "assembly", *BASE[2:]),
        (*BASE[:2], "2", *BASE[3:]),
        (*BASE[:3], {"ploidy": 1}, *BASE[4:]),
        (*BASE[:4], [file(sha256="bb")], None),
        (*BASE[:4], [file(name="/data/r2.fq")], None),
        (*BASE[:4], [file("bam")], None),
        (*BASE[:4], [RemoteFile("reads", "https://x/r1.fq")], None),
        (*BASE[:5], "plate 7"),
        (*BASE, "s3://lab/x/"),
    ],
)
def test_anything_else_is_another_run(other: tuple[object, ...]) -> None:
    assert run_key(*BASE) != run_key(*other)  # type: ignore[arg-type]


def test_a_record_is_found_by_its_key_until_it_is_removed(records: Records) -> None:
    assert records.read("k1") is None
    records.write("k1", record())
    assert records.read("k1") == record()
    records.remove("k1")
    records.remove("k1")
    assert records.read("k1") is None


def test_a_record_is_for_its_owner_only(records: Records, tmp_path: Path) -> None:
    records.write("k1", record())
    path = tmp_path / "state" / "runs" / "k1.json"
    assert "s3cret" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_of_a_create_is_kept_until_it_was_answered(records: Records, tmp_path: Path) -> None:
    own, earlier = records.ask("k1")
    assert records.ask("k1") == (own, True)
    assert (len(own), earlier) == (43, False)
    assert stat.S_IMODE((tmp_path / "state" / "runs" / "k1.asked").stat().st_mode) == 0o600
    records.write("k1", record())
    other, earlier = records.ask("k1")
    assert (other != own, earlier) == (True, False)
    records.remove("k1")
    assert records.ask("k1")[1] is False


def test_the_secret_does_not_show_in_a_representation() -> None:
    assert "s3cret" not in repr(record())


def test_a_record_that_is_spoilt_counts_as_none(records: Records, tmp_path: Path) -> None:
    records.write("k1", record())
    (tmp_path / "state" / "runs" / "k1.json").write_text("{")
    assert records.read("k1") is None
    assert records.of_workload("w1") is None


def test_a_record_is_found_by_its_workload_and_forgotten_with_it(records: Records) -> None:
    records.write("k1", record("w1"))
    records.write("k2", record("w2"))
    assert records.of_workload("w2") == ("k2", record("w2"))
    records.forget_workload("w2")
    records.forget_workload("w3")
    assert records.of_workload("w2") is None
    assert records.of_workload("w1") is not None


def test_an_unfinished_run_of_the_same_files_is_found(records: Records) -> None:
    records.write("k1", record())
    assert records.of_files("http://here", "variants", ["reads=/a"]) == record()
    assert records.of_files("http://here", "variants", ["reads=/b"]) is None
    assert records.of_files("http://there", "variants", ["reads=/a"]) is None
    records.write("k1", record(over=True))
    assert records.of_files("http://here", "variants", ["reads=/a"]) is None


def test_records_that_no_server_can_know_any_more_are_dropped(records: Records, tmp_path: Path) -> None:
    records.write("old", record("w1"))
    then = time.time() - FORGET_S - 10
    os.utime(tmp_path / "state" / "runs" / "old.json", (then, then))
    records.write("new", record("w2"))
    assert records.read("old") is None
    assert records.read("new") is not None


def test_only_one_process_works_at_a_run(records: Records) -> None:
    with records.hold("k1"):
        with pytest.raises(Conflict, match=f"under way in process {os.getpid()}"), records.hold("k1"):
            pass
        with records.hold("k2"):
            pass
    with records.hold("k1"):
        pass


def test_a_lock_leaves_no_file(records: Records, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), records.hold("k1"):
        raise ValueError("inside")
    assert list((tmp_path / "state" / "runs").iterdir()) == []


def test_the_lock_of_a_killed_process_does_not_hold(records: Records, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "runs"
    folder.mkdir(parents=True)
    (folder / "k1.lock").write_text("99999")
    with records.hold("k1"):
        assert (folder / "k1.lock").read_text() == str(os.getpid())
