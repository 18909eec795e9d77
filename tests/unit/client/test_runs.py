"""A run from files to results, and what it does after each kind of interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.unit.client.conftest import MemoryServer, Told

from penstock.client.inputs import LocalFile, RemoteFile, look_at
from penstock.client.runs import Order, Runs, Ticket
from penstock.client.workloads import Account, State
from penstock.errors import Conflict, InputChanged, PenstockError, StorageFull


def order(inputs: Sequence[LocalFile | RemoteFile], **changes: Any) -> Order:
    return Order(**{"pipeline": "count", "version": "1", "parameters": {}, "inputs": inputs, **changes})


def begun(runs: Runs, files: Sequence[LocalFile | RemoteFile]) -> tuple[Order, Ticket]:
    read = runs.read(order(files))
    return read, runs.start(read, runs.key(read))


def test_every_file_gets_its_digest_and_urls_stay(runs: Runs, files: list[LocalFile], told: Told) -> None:
    remote = RemoteFile("reference", "https://x/ref.fa")
    read = runs.read(order([remote, *files]))
    assert read.inputs[0] == remote
    assert all(len(file.sha256) == 64 for file in read.files)
    assert told.transfers == [("Reading", 1400, 2)]
    assert told.moved == 1400


def test_a_new_workload_is_recorded_before_anything_is_sent(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    read, ticket = begun(runs, files)
    assert ticket.resumed is False
    assert memory.uploads == {}
    record = runs.records.read(runs.key(read))
    assert record is not None
    assert (record.workload, record.account.secret) == ("w1", "s3cret")


def test_all_files_are_uploaded_by_the_addresses_that_the_server_named(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, told: Told
) -> None:
    read, ticket = begun(runs, files)
    runs.upload(read, ticket)
    assert [bytes(memory.uploads[name]) for name in ("u0", "u1")] == [file.path.read_bytes() for file in files]
    assert told.transfers[-1] == ("Uploading", 1400, 2)
    assert told.moved == 1400


def test_many_small_files_are_sent_as_one(runs: Runs, tmp_path: Path, memory: MemoryServer) -> None:
    many = []
    for number in range(20):
        path = tmp_path / f"r{number}.fq"
        path.write_text("x" * number + "\n")
        many.append(look_at("reads", path))
    read, ticket = begun(runs, many)
    runs.upload(read, ticket)
    assert memory.created[0]["bundle"]["size"] == len(memory.uploads["u0"])
    assert len(memory.created[0]["inputs"]) == 20
    assert list(memory.uploads) == ["u0"]


def test_the_same_order_finds_its_unfinished_workload(runs: Runs, files: list[LocalFile], memory: MemoryServer) -> None:
    begun(runs, files)
    _, again = begun(runs, files)
    assert again.resumed is True
    assert len(memory.created) == 1


@pytest.mark.parametrize("state", ["FAILED", "CANCELED", "ACKNOWLEDGED", "EXPIRED"])
def test_what_has_ended_is_started_anew_and_told(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, told: Told, state: str
) -> None:
    begun(runs, files)
    memory.states = [{"state": state, "reason": "so it was"}]
    _, again = begun(runs, files)
    assert again.resumed is False
    assert told.notes[0] == f"The earlier run w1 ended as {state}: so it was. Starting anew."


def test_what_succeeded_and_was_not_fetched_is_gone_on_with(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    begun(runs, files)
    memory.states = [{"state": "SUCCEEDED"}]
    assert begun(runs, files)[1].resumed is True


@pytest.mark.parametrize(("status", "code"), [(404, "not-found"), (410, "gone")])
def test_what_the_server_no_longer_knows_is_started_anew(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, status: int, code: str
) -> None:
    begun(runs, files)
    memory.faults.append(lambda request: _on_get(request, status, code))
    assert begun(runs, files)[1].resumed is False
    assert len(memory.created) == 2


def _on_get(request: httpx.Request, status: int, code: str) -> httpx.Response | None:
    return httpx.Response(status, json={"detail": "No.", "code": code}) if request.method == "GET" else None


def test_a_run_that_is_over_is_not_gone_on_with_but_its_account_is_kept(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    _, ticket = begun(runs, files)
    runs.finish(ticket, kept=True)
    found = runs.records.of_workload("w1")
    assert found is not None
    assert found[1].account.secret == "s3cret"
    assert begun(runs, files)[1].resumed is False
    assert len(memory.created) == 2


def test_a_run_that_was_acknowledged_leaves_no_record(runs: Runs, files: list[LocalFile]) -> None:
    _, ticket = begun(runs, files)
    runs.finish(ticket, kept=False)
    assert runs.records.of_workload("w1") is None


def test_an_edited_file_starts_anew_and_names_the_unfinished_run(
    runs: Runs, files: list[LocalFile], told: Told
) -> None:
    begun(runs, files)
    files[0].path.write_text("edited\n")
    edited = look_at("reads", files[0].path)
    _, ticket = begun(runs, [edited, files[1]])
    assert ticket.resumed is False
    assert "`penstock cancel w1`" in told.notes[0]


def test_a_file_edited_after_its_digest_was_taken_stops_the_upload(runs: Runs, files: list[LocalFile]) -> None:
    read, ticket = begun(runs, files)
    files[1].path.write_text("edited\n")
    with pytest.raises(InputChanged, match=r"r2\.fq was changed"):
        runs.upload(read, ticket)


def test_a_full_server_is_told(runs: Runs, files: list[LocalFile], memory: MemoryServer) -> None:
    memory.faults.append(lambda _: httpx.Response(507, json={"detail": "Only 3 bytes.", "code": "storage-full"}))
    with pytest.raises(StorageFull, match="Only 3 bytes"):
        begun(runs, files)


def test_uploads_are_skipped_once_the_server_has_all(runs: Runs, files: list[LocalFile], memory: MemoryServer) -> None:
    read, ticket = begun(runs, files)
    memory.states = [{"state": "RUNNING"}]
    runs.upload(read, ticket)
    assert memory.uploads == {}


def test_a_workload_canceled_during_the_upload_is_seen_by_the_wait(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    read, ticket = begun(runs, files)
    memory.states = [{"state": "UPLOADING"}, {"state": "CANCELED", "reason": "by its owner"}]

    def gone(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(404, json={"detail": "x", "code": "not-found"}) if request.method == "HEAD" else None

    memory.faults += [gone, gone]
    runs.upload(read, ticket)
    assert runs.wait("w1").reason == "by its owner"


def test_an_upload_that_this_run_does_not_have_is_told(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    read, ticket = begun(runs, files)
    memory.created[-1]["inputs"][0]["name"] = "other.fq"
    with pytest.raises(Conflict, match=r"reads other\.fq, which this run does not have"):
        runs.upload(read, ticket)


def test_the_wait_shows_each_state_and_ends_with_the_last(runs: Runs, memory: MemoryServer, told: Told) -> None:
    memory.states = [{"state": name, "sequence": at} for at, name in enumerate(("PREPARING", "RUNNING", "SUCCEEDED"))]
    assert runs.wait("w1").state == State.SUCCEEDED
    assert told.states == ["PREPARING", "RUNNING", "SUCCEEDED"]
    asked = [dict(request.url.params) for request in memory.requests]
    assert asked == [{}, {"after": "0", "wait": "30.0"}, {"after": "1", "wait": "30.0"}]


def test_the_wait_goes_on_over_an_outage(runs: Runs, memory: MemoryServer, told: Told) -> None:
    memory.states = [{"state": "RUNNING"}, {"state": "SUCCEEDED"}]
    outage = [httpx.Response(502), httpx.Response(503, json={"detail": "Stopping.", "code": "draining"})]
    memory.faults += [lambda _: outage[0], lambda _: outage[1]]
    assert runs.wait("w1").state == State.SUCCEEDED
    assert told.waits[1] == "Stopping."


def test_results_lie_in_the_folder_only_when_all_are_verified(
    runs: Runs, memory: MemoryServer, tmp_path: Path, told: Told
) -> None:
    memory.results = {"a.txt": b"aaa", "deep/b.txt": b"bb"}
    memory.states = [{"state": "SUCCEEDED"}]
    found = runs.download(runs.wait("w1"), tmp_path / "out", Account(name="w1", secret="s"))
    assert [result.name for result in found] == ["a.txt", "deep/b.txt"]
    assert (tmp_path / "out" / "deep" / "b.txt").read_bytes() == b"bb"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.txt", "deep"]
    assert told.transfers[-1] == ("Downloading", 5, 2)


def test_a_spoilt_result_leaves_nothing_in_the_folder(runs: Runs, memory: MemoryServer, tmp_path: Path) -> None:
    memory.results = {"a.txt": b"aaa", "b.txt": b"bb"}
    memory.states = [{"state": "SUCCEEDED"}]
    workload = runs.wait("w1")

    def spoil(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, content=b"??") if request.url.path.endswith("/b.txt") else None

    memory.faults += [spoil, spoil]
    with pytest.raises(PenstockError, match=r"b\.txt does not have the digest"):
        runs.download(workload, tmp_path / "out", None)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".penstock-w1"]


def test_a_list_of_results_that_is_not_the_manifests_is_refused(
    runs: Runs, memory: MemoryServer, tmp_path: Path
) -> None:
    memory.results = {"a.txt": b"aaa"}
    memory.states = [{"state": "SUCCEEDED"}]
    workload = runs.wait("w1")
    memory.results = {"a.txt": b"bbb"}
    with pytest.raises(PenstockError, match=r"does not agree .* about a\.txt"):
        runs.download(workload, tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


def test_an_acknowledgement_is_repeated_until_it_arrives(runs: Runs, memory: MemoryServer) -> None:
    memory.faults.append(lambda _: httpx.Response(502))
    runs.acknowledge("w1")
    assert memory.acknowledged == ["w1"]


def test_a_whole_run_measures_its_parts(runs: Runs, files: list[LocalFile], memory: MemoryServer) -> None:
    read, ticket = begun(runs, files)
    runs.upload(read, ticket)
    memory.states = [{"state": "SUCCEEDED"}]
    workload = runs.wait(ticket.record.workload, ticket.times)
    assert workload.state == State.SUCCEEDED
    assert ticket.times.upload_s > 0
    assert ticket.times.run_s > 0
    assert json.dumps(memory.created[0]["parameters"]) == "{}"
