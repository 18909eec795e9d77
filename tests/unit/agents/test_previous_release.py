"""One release of skew: what an agent of the previous release said, and what a server of it answered, word for word.

The record was taken from the previous release's own agent and server, over their wire, while they ran four tasks: one
that completes, one that fails, one that is canceled while it runs, and one whose agent is killed and adopts it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from penstock.agents import protocol
from penstock.app import build_services, create_app, running
from penstock.settings import Settings

RECORD = Path(__file__).resolve().parents[2] / "data" / "protocol" / "previous.jsonl"
ANSWERS: dict[str, type[BaseModel]] = {
    "hello": protocol.Welcome,
    "lease": protocol.LeaseAnswer,
    "renew": protocol.Orders,
    "report": protocol.ReportsAnswer,
}
REQUESTS: dict[str, type[BaseModel]] = {
    "hello": protocol.Hello,
    "lease": protocol.LeaseRequest,
    "renew": protocol.Renewal,
    "report": protocol.Reports,
}
HELLO = {"site": "old", "incarnation": "one", "total": {"cpu_cores": 4, "ram_gb": 8, "disk_gb": 10, "slots": 8}}


def record() -> list[dict[str, Any]]:
    """Every call with what was sent and what was answered, in order."""
    return [json.loads(line) for line in RECORD.read_text().splitlines()]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Today's application, without tokens."""
    settings = Settings(data=tmp_path / "data", authentication="none", retry_backoff_s=0)
    app = create_app(settings)
    inside = app.state.services = build_services(settings)
    async with running(inside):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as one:
            yield one


class Replay:
    """Says again what the old agent said, with today's ids in place of the old ones."""

    def __init__(self, server: httpx.AsyncClient, workspace: Path) -> None:
        self._server = server
        self._workspace = workspace
        self._ids: dict[str, str] = {}
        self.tasks: dict[str, str] = {}

    async def say(self, call: str, sent: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
        """The answer to one call; before it, what made the old server answer as it did."""
        for work in answered.get("work", []):
            if work["spec"]["name"] not in self.tasks:
                await self._create(work)
        for attempt in answered.get("cancel", []):
            task = self._ids[attempt].partition("-")[0]
            (await self._server.post(f"/ga4gh/tes/v1/tasks/{task}:cancel")).raise_for_status()
        for report in sent.get("reports", []):
            self._put_outputs(report)
        text = json.dumps({**sent, "wait": 0} if "wait" in sent else sent)
        for old, new in self._ids.items():
            text = text.replace(old, new)
        answer = await self._server.post(f"/agent/v1/{call}", json=json.loads(text))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _put_outputs(self, report: dict[str, Any]) -> None:
        """Where the old agent's runner had left them."""
        for output in report["log"]["outputs"]:
            task, _, number = self._ids[report["attempt"]].partition("-")
            source = self._workspace / "tasks" / task / number / output["source"]
            source.parent.mkdir(parents=True)
            source.write_text("x\n")

    async def _create(self, work: dict[str, Any]) -> None:
        made = await self._server.post("/ga4gh/tes/v1/tasks", json=work["spec"])
        assert made.status_code == 200, made.text
        self.tasks[work["spec"]["name"]] = made.json()["id"]
        self._ids[work["attempt"]] = f"{made.json()['id']}-1"

    async def state(self, name: str) -> str:
        """What became of a task."""
        return str((await self._server.get(f"/ga4gh/tes/v1/tasks/{self.tasks[name]}")).json()["state"])


def _keys(value: object, place: str = "") -> Iterator[str]:
    """The places of all fields of a document; those of lists' entries without a number."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{place}.{name}"
            yield from _keys(inner, f"{place}.{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, f"{place}[]")


async def test_an_agent_of_the_previous_release_works_with_todays_server(
    server: httpx.AsyncClient, tmp_path: Path
) -> None:
    replay = Replay(server, tmp_path / "data" / "workspace")
    for one in record():
        answer = await replay.say(one["call"], one["sent"], one["answered"])
        if one["call"] in ("lease", "hello"):
            told = [work["spec"]["name"] for work in [*answer.get("work", []), *answer.get("keep", [])]]
            then = [*one["answered"].get("work", []), *one["answered"].get("keep", [])]
            assert told == [work["spec"]["name"] for work in then]
        missing = set(_keys(one["answered"])) - set(_keys(answer))
        assert not missing, f"{one['call']}: an old agent would look for {missing}"
    found = {name: await replay.state(name) for name in replay.tasks}
    assert found == {
        "completes": "COMPLETE",
        "fails": "EXECUTOR_ERROR",
        "canceled": "CANCELED",
        "adopted": "COMPLETE",
    }


def test_todays_agent_understands_a_server_of_the_previous_release() -> None:
    for one in record():
        understood = ANSWERS[one["call"]].model_validate(one["answered"])
        assert (
            understood.model_dump(mode="json").items()
            >= {name: value for name, value in one["answered"].items() if not value or isinstance(value, float)}.items()
        )
        for work in one["answered"].get("work", []):
            assert protocol.Work.model_validate(work).spec.name == work["spec"]["name"]


def test_what_todays_agent_says_has_all_that_a_server_of_the_previous_release_asks_for() -> None:
    for one in record():
        today = REQUESTS[one["call"]].model_validate(one["sent"]).model_dump(mode="json")
        assert set(_keys(one["sent"])) <= set(_keys(today))


@pytest.mark.parametrize("kind", [*ANSWERS.values(), *REQUESTS.values()])
def test_what_the_next_release_may_add_is_passed_over(kind: type[BaseModel]) -> None:
    for one in record():
        for told, kinds in ((one["answered"], ANSWERS), (one["sent"], REQUESTS)):
            if kinds[one["call"]] is kind:
                assert kind.model_validate({**told, "of_tomorrow": 1}) == kind.model_validate(told)


@pytest.mark.parametrize("release", [-1, 1])
async def test_an_agent_one_protocol_away_is_taken(server: httpx.AsyncClient, release: int) -> None:
    answer = await server.post("/agent/v1/hello", json={**HELLO, "protocol": protocol.PROTOCOL + release})
    assert answer.status_code == 200


async def test_an_agent_that_names_no_protocol_is_taken(server: httpx.AsyncClient) -> None:
    assert (await server.post("/agent/v1/hello", json=HELLO)).status_code == 200


@pytest.mark.parametrize("release", [-2, 2])
async def test_an_agent_two_protocols_away_is_refused_in_words(server: httpx.AsyncClient, release: int) -> None:
    answer = await server.post("/agent/v1/hello", json={**HELLO, "protocol": protocol.PROTOCOL + release})
    assert answer.status_code == 400
    assert "one release apart" in answer.text
