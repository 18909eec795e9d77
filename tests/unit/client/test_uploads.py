"""Resumable uploads: from wherever the server stands, again after a cut, never a changed file."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from tests.unit.client.conftest import MemoryServer, Told

from penstock.client.http import Server
from penstock.client.inputs import LocalFile, look_at
from penstock.client.patience import Patience, Stopped
from penstock.client.uploads import send
from penstock.errors import Conflict, InputChanged, PenstockError, StorageFull, Unreachable

URL = "http://public.example/uploads/u1"
CONTENT = bytes(range(256)) * 20_000  # several pieces of 1 MiB


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    path = tmp_path / "reads.fq"
    path.write_bytes(CONTENT)
    return look_at("reads", path)


def methods(memory: MemoryServer) -> list[str]:
    return [request.method for request in memory.requests]


def test_a_file_is_sent_in_one_request(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    moved: list[int] = []
    send(connection, URL, file, patience, moved.append)
    assert bytes(memory.uploads["u1"]) == CONTENT
    assert methods(memory) == ["HEAD", "PATCH", "HEAD"]
    assert sum(moved) == len(CONTENT)


def test_the_request_says_how_long_it_is_and_speaks_tus(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    send(connection, URL, file, patience, lambda _: None)
    headers = memory.requests[1].headers
    assert headers["Content-Length"] == str(len(CONTENT))
    assert "Transfer-Encoding" not in headers
    assert headers["Tus-Resumable"] == "1.0.0"
    assert headers["Content-Type"] == "application/offset+octet-stream"


def test_what_the_server_has_is_not_sent_again(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    memory.uploads["u1"] = bytearray(CONTENT[:3_000_000])
    moved: list[int] = []
    send(connection, URL, file, patience, moved.append)
    assert bytes(memory.uploads["u1"]) == CONTENT
    assert memory.requests[1].headers["Content-Length"] == str(len(CONTENT) - 3_000_000)
    assert sum(moved) == len(CONTENT)


def test_a_complete_upload_is_left_alone(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    memory.uploads["u1"] = bytearray(CONTENT)
    send(connection, URL, file, patience, lambda _: None)
    assert methods(memory) == ["HEAD"]


def test_cuts_are_mended_from_where_they_happened(
    connection: Server, memory: MemoryServer, patience: Patience, told: Told, file: LocalFile
) -> None:
    memory.cut_uploads_after = [100, 1_500_000, 1]
    moved: list[int] = []
    send(connection, URL, file, patience, moved.append)
    assert bytes(memory.uploads["u1"]) == CONTENT
    assert methods(memory).count("PATCH") == 4
    assert len(told.waits) == 3
    assert sum(moved) == len(CONTENT)


def test_progress_goes_back_where_the_server_has_less_than_was_sent(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    memory.cut_uploads_after = [1_200_000]
    moved: list[int] = []
    send(connection, URL, file, patience, moved.append)
    assert min(moved) <= 152_000  # the piece that was half accepted
    assert sum(moved) == len(CONTENT)


def test_an_offset_that_does_not_fit_is_asked_for_again(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    def wrong_once(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, headers={"Upload-Offset": "7"}) if request.method == "HEAD" else None

    memory.faults.append(wrong_once)
    send(connection, URL, file, patience, lambda _: None)
    assert bytes(memory.uploads["u1"]) == CONTENT


def test_a_conflict_that_stays_is_told(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PATCH":
            return None
        return httpx.Response(409, json={"detail": "The workload was canceled.", "code": "conflict"})

    memory.faults += [refuse, refuse]
    with pytest.raises(Conflict, match="was canceled"):
        send(connection, URL, file, patience, lambda _: None)


def test_an_upload_that_another_request_still_holds_is_waited_for(
    connection: Server, memory: MemoryServer, patience: Patience, told: Told, file: LocalFile
) -> None:
    def held(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PATCH":
            return None
        return httpx.Response(423, json={"detail": "Another request writes.", "code": "locked"})

    memory.faults += [held, held, held]
    send(connection, URL, file, patience, lambda _: None)
    assert told.waits == ["Another request writes."] * 3
    assert bytes(memory.uploads["u1"]) == CONTENT


def test_a_full_disk_at_the_server_is_told_at_once(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    def full(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(507, json={"detail": "No room.", "code": "storage-full"})

    memory.faults.append(full)
    with pytest.raises(StorageFull):
        send(connection, URL, file, patience, lambda _: None)


def test_a_server_that_stays_away_ends_it_after_the_limit(
    connection: Server, memory: MemoryServer, told: Told, file: LocalFile
) -> None:
    def gone(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    memory.faults.append(gone)
    with pytest.raises(Unreachable):
        send(connection, URL, file, Patience(0.0, told.waiting, first_pause_s=0.0), lambda _: None)


def test_a_file_edited_since_is_not_sent(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    os.utime(file.path, ns=(1, 1))
    with pytest.raises(InputChanged):
        send(connection, URL, file, patience, lambda _: None)
    assert memory.uploads["u1"] == bytearray()


def test_a_stop_ends_it_between_two_pieces(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    def stop(_: int) -> None:
        patience.stop()

    with pytest.raises(Stopped):
        send(connection, URL, file, patience, stop)
    assert len(memory.uploads["u1"]) < len(CONTENT)


def test_a_server_that_does_not_speak_tus_is_told_apart(
    connection: Server, memory: MemoryServer, patience: Patience, file: LocalFile
) -> None:
    memory.faults.append(lambda _: httpx.Response(200))
    with pytest.raises(PenstockError, match="does not say how much"):
        send(connection, URL, file, patience, lambda _: None)
