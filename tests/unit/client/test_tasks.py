"""Calls about TES tasks."""

from __future__ import annotations

import json

import httpx
import pytest

from penstock.client.http import Server
from penstock.client.tasks import Tasks, is_final
from penstock.settings import Settings


class Recorder:
    """Answers from a list and remembers the requests."""

    def __init__(self, *answers: dict[str, object]) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return httpx.Response(200, json=self.answers.pop(0))


def at(settings: Settings, recorder: Recorder) -> Server:
    return Server(settings, httpx.MockTransport(recorder))


def test_a_task_is_created_as_it_is(settings: Settings) -> None:
    recorder, task = Recorder({"id": "t1"}), {"executors": [{"image": "i", "command": ["true"]}]}
    with at(settings, recorder) as server:
        assert Tasks(server).create(task) == "t1"
    assert recorder.requests[0].url.path == "/ga4gh/tes/v1/tasks"
    assert json.loads(recorder.requests[0].content) == task


def test_a_task_is_read_in_full_unless_less_is_wanted(settings: Settings) -> None:
    recorder = Recorder({"id": "t1"}, {"id": "t1"})
    with at(settings, recorder) as server:
        Tasks(server).get("t1")
        Tasks(server).get("t1", "MINIMAL")
    assert [request.url.params["view"] for request in recorder.requests] == ["FULL", "MINIMAL"]


def test_a_list_filters_pairs_tags_with_values_and_turns_pages(settings: Settings) -> None:
    recorder = Recorder({"tasks": [{"id": "t3"}], "next_page_token": "p2"}, {"tasks": [{"id": "t2"}, {"id": "t1"}]})
    with at(settings, recorder) as server:
        found = list(Tasks(server).newest(state="RUNNING", name_prefix="al", tags={"a": "1", "b": ""}, most=2))
    assert [task["id"] for task in found] == ["t3", "t2"]
    first, second = (request.url.params for request in recorder.requests)
    assert first.get_list("tag_key") == ["a", "b"]
    assert first.get_list("tag_value") == ["1", ""]
    assert (first["state"], first["name_prefix"], first["page_size"]) == ("RUNNING", "al", "2")
    assert (second["page_token"], second["page_size"]) == ("p2", "1")


def test_a_list_ends_where_there_is_no_further_page(settings: Settings) -> None:
    with at(settings, Recorder({"tasks": []})) as server:
        assert list(Tasks(server).newest()) == []


def test_a_cancel_names_the_task(settings: Settings) -> None:
    recorder = Recorder({})
    with at(settings, recorder) as server:
        Tasks(server).cancel("t1")
    assert (recorder.requests[0].method, recorder.requests[0].url.path) == ("POST", "/ga4gh/tes/v1/tasks/t1:cancel")


@pytest.mark.parametrize(
    ("state", "final"),
    [
        *((state, True) for state in ("COMPLETE", "EXECUTOR_ERROR", "SYSTEM_ERROR", "CANCELED")),
        *((state, False) for state in ("QUEUED", "RUNNING", "CANCELING", "A_STATE_OF_THE_FUTURE")),
    ],
)
def test_which_states_are_final(state: str, final: bool) -> None:
    assert is_final({"state": state}) is final
