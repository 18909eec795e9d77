"""A run asks for its workload once, however often it must ask."""

from __future__ import annotations

import httpx
import pytest
from tests.unit.client.conftest import MemoryServer, Told
from tests.unit.client.test_runs import begun, order

from penstock.client.http import Server
from penstock.client.inputs import LocalFile
from penstock.client.patience import Patience
from penstock.client.runs import Runs
from penstock.errors import LimitReached, Unreachable


def test_a_create_that_never_reached_the_server_is_tried_again(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, told: Told
) -> None:
    tries: list[int] = []

    def refuse(request: httpx.Request) -> httpx.Response | None:
        tries.append(1)
        if len(tries) <= 2:
            raise httpx.ConnectError("refused")
        return None

    memory.faults.append(refuse)
    assert begun(runs, files)[1].record.workload == "w1"
    assert len(told.waits) == 2


def keys(memory: MemoryServer) -> list[str]:
    """The keys of the creates that the server got."""
    return [one.headers["Idempotency-Key"] for one in memory.requests if one.method == "POST"]


def test_a_create_whose_answer_was_lost_is_repeated_with_its_key(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, told: Told
) -> None:
    lost: list[httpx.Response | None] = [None, httpx.Response(502), httpx.Response(503), httpx.Response(504)]

    def lose(_: httpx.Request) -> httpx.Response | None:
        answer = lost.pop(0) if lost else httpx.Response(200)
        if answer is None:
            raise httpx.ReadError("cut")
        return answer if answer.status_code != 200 else None

    memory.faults += [lose] * 4
    assert begun(runs, files)[1].record.workload == "w1"
    assert len(told.waits) == 4
    assert len(keys(memory)) == 5
    assert len(set(keys(memory))) == 1
    assert len(keys(memory)[0]) == 43


def test_a_killed_run_asks_again_with_the_key_that_it_left(
    runs: Runs, files: list[LocalFile], memory: MemoryServer
) -> None:
    def die(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    memory.faults.append(die)
    with pytest.raises(KeyboardInterrupt):
        begun(runs, files)
    memory.faults.clear()
    begun(runs, files)
    first, second = keys(memory)
    assert first == second
    assert list((runs.server.settings.state / "runs").glob("*.asked")) == []


@pytest.mark.parametrize(("status", "code"), [(409, "conflict"), (422, "key-reused")])
def test_what_a_killed_run_asked_for_and_is_past_going_on_with_is_asked_for_anew(
    runs: Runs, files: list[LocalFile], memory: MemoryServer, status: int, code: str
) -> None:
    runs.records.ask(runs.key(runs.read(order(files))))
    memory.faults.append(lambda _: httpx.Response(status, json={"detail": "Too late.", "code": code}))
    assert begun(runs, files)[1].record.workload == "w1"
    assert len(set(keys(memory))) == 2


def test_a_create_that_was_refused_leaves_no_key(runs: Runs, files: list[LocalFile], memory: MemoryServer) -> None:
    memory.faults.append(lambda _: httpx.Response(429, json={"detail": "Too many.", "code": "limit-reached"}))
    with pytest.raises(LimitReached):
        begun(runs, files)
    assert list((runs.server.settings.state / "runs").glob("*.asked")) == []


def test_a_create_that_was_never_answered_leaves_its_key(
    connection: Server, files: list[LocalFile], memory: MemoryServer, told: Told
) -> None:
    runs = Runs(connection, told, Patience(0.0, told.waiting, first_pause_s=0.0))

    def cut(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("cut")

    memory.faults.append(cut)
    with pytest.raises(Unreachable):
        begun(runs, files)
    memory.faults.clear()
    begun(runs, files)
    assert len(set(keys(memory))) == 1
