"""Calls about workloads and pipelines: what is sent, and what is made of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.client.http import Server
from penstock.client.inputs import Bundle, LocalFile, RemoteFile, look_at
from penstock.client.pipelines import get_pipeline, list_pipelines
from penstock.client.workloads import FINAL, State, Workload, Workloads
from penstock.settings import Settings

MINIMAL: dict[str, Any] = {"id": "w1", "pipeline": "count", "state": "RUNNING"}


class Answers:
    """Gives the same answers again and again, and remembers the requests."""

    def __init__(self, *answers: object, status: int = 200) -> None:
        self.answers = list(answers)
        self.status = status
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(204) if answer is None else httpx.Response(self.status, json=answer)

    @property
    def last(self) -> httpx.Request:
        return self.requests[-1]


def at(settings: Settings, answers: Answers) -> Server:
    return Server(settings, httpx.MockTransport(answers))


def test_a_create_declares_files_urls_and_parameters(settings: Settings) -> None:
    answers = Answers({"id": "w1", "state": "UPLOADING", "account": {"name": "w1", "secret": "s"}}, status=201)
    inputs: list[LocalFile | RemoteFile] = [
        LocalFile("reads", Path("/d/r1.fq"), 5, 1, "aa"),
        RemoteFile("reference", "https://x/ref.fa"),
    ]
    with at(settings, answers) as server:
        created = Workloads(server).create(
            "count", {"n": 2}, inputs, version="1", name="mine", results_to="s3://b/", key="k1"
        )
    assert answers.last.headers["Idempotency-Key"] == "k1"
    assert created.account.secret == "s"
    assert json.loads(answers.last.content) == {
        "pipeline": "count",
        "version": "1",
        "name": "mine",
        "results_to": "s3://b/",
        "parameters": {"n": 2},
        "inputs": [
            {"role": "reads", "name": "r1.fq", "size": 5, "sha256": "aa"},
            {"role": "reference", "url": "https://x/ref.fa"},
        ],
    }


def test_a_create_declares_its_bundle(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "r1.fq"
    path.write_text("@r")
    file = look_at("reads", path).with_digest("aa")
    bundle = Bundle((file,))
    answers = Answers({"id": "w1", "state": "UPLOADING", "account": {"name": "w1", "secret": "s"}})
    with at(settings, answers) as server:
        Workloads(server).create("count", {}, [file], bundle=bundle)
    assert json.loads(answers.last.content)["bundle"] == {"size": bundle.size, "sha256": bundle.sha256()}


def test_what_a_newer_server_adds_is_ignored() -> None:
    found = Workload.model_validate({**MINIMAL, "shape": "round", "progress": {"total": 3, "colour": "red"}})
    assert found.progress.total == 3


def test_a_get_without_a_wait_asks_for_none(settings: Settings) -> None:
    answers = Answers(MINIMAL)
    with at(settings, answers) as server:
        Workloads(server).get("w1")
    assert str(answers.last.url) == "http://here/api/v1/workloads/w1"


def test_a_wait_gives_the_answer_the_time_it_needs(settings: Settings) -> None:
    answers = Answers(MINIMAL)
    with at(settings, answers) as server:
        Workloads(server).get("w1", after=7, wait_s=30)
    assert dict(answers.last.url.params) == {"after": "7", "wait": "30"}
    assert answers.last.extensions["timeout"]["read"] > 60


def test_a_list_goes_on_over_pages_until_it_has_enough(settings: Settings) -> None:
    first = {"workloads": [MINIMAL, MINIMAL], "next_page_token": "t2"}
    answers = Answers(first, {"workloads": [MINIMAL, MINIMAL]})
    with at(settings, answers) as server:
        assert len(list(Workloads(server).newest(state="RUNNING", most=3))) == 3
    assert [dict(request.url.params) for request in answers.requests] == [
        {"state": "RUNNING", "page_size": "3"},
        {"state": "RUNNING", "page_size": "1", "page_token": "t2"},
    ]


def test_a_list_ends_with_the_last_page(settings: Settings) -> None:
    with at(settings, Answers({"workloads": [MINIMAL]})) as server:
        assert len(list(Workloads(server).newest())) == 1


def test_cancel_and_acknowledge_name_the_workload(settings: Settings) -> None:
    answers = Answers({**MINIMAL, "state": "CANCELING"}, None)
    with at(settings, answers) as server:
        assert Workloads(server).cancel("w1").state == State.CANCELING
        Workloads(server).acknowledge("w1")
    assert [(request.method, request.url.path) for request in answers.requests] == [
        ("POST", "/api/v1/workloads/w1:cancel"),
        ("POST", "/api/v1/workloads/w1:acknowledge"),
    ]


def test_events_and_processes_are_read(settings: Settings) -> None:
    event = {"at": "2026-01-01T00:00:00Z", "state": "QUEUED", "reason": ""}
    process = {"id": "t1", "name": "count", "state": "EXECUTOR_ERROR", "stderr": "error: no"}
    with at(settings, Answers({"events": [event]}, {"tasks": [process], "sequence": 1, "head": "t0"})) as server:
        assert Workloads(server).events("w1")[0].state == "QUEUED"
        found = Workloads(server).processes("w1")
    assert (found.head, found.tasks[0].stderr) == ("t0", "error: no")


@pytest.mark.parametrize("state", list(State))
def test_states_are_final_or_not(state: State) -> None:
    assert state.final == (state in FINAL)


def test_pipelines_are_listed_and_shown_in_a_version(settings: Settings) -> None:
    answers = Answers({"pipelines": [{"name": "count"}]}, {"name": "count", "version": "1"})
    with at(settings, answers) as server:
        assert list_pipelines(server) == [{"name": "count"}]
        assert get_pipeline(server, "count", "1")["version"] == "1"
        get_pipeline(server, "count")
    assert [str(request.url) for request in answers.requests] == [
        "http://here/api/v1/pipelines",
        "http://here/api/v1/pipelines/count?version=1",
        "http://here/api/v1/pipelines/count",
    ]
