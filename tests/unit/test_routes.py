"""Every route, asked without a token, with an expired one, with the wrong scope, and by another owner."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from penstock.app import build_services, create_app, running
from penstock.names import new_id
from penstock.settings import Settings

# What anybody may ask; everything else needs a token.
OPEN = {
    ("get", "/ga4gh/tes/v1/service-info"),
    ("get", "/v1/service-info"),
    ("options", "/uploads"),
    ("options", "/uploads/{upload}"),
    ("get", "/api/v1/pipelines"),
    ("get", "/api/v1/pipelines/{name}"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("put", "/upload/{key}/{name}"),  # the drop box: off, it is not there
}
RUN = {"executors": [{"image": "i", "command": ["true"]}]}
PIPELINE = """
name: lines
title: Counts lines
version: "1.0"
inputs:
  text: {title: Text files, formats: [txt], suffixes: [.txt], min: 1, max: null}
parameters: {type: object, properties: {}}
results: {files: ["results/**"]}
"""


@dataclass
class Deployment:
    """An application with tokens, and one of everything that belongs to ``ada``."""

    client: httpx.AsyncClient
    routes: list[tuple[str, str]]
    tokens: Mapping[str, str]
    hers: Mapping[str, str]

    def guarded(self) -> Iterator[tuple[str, str]]:
        return (route for route in self.routes if route not in OPEN)

    async def ask(self, verb: str, path: str, token: str | None, ids: Mapping[str, str]) -> int:
        """The status of a call whose placeholders are filled in."""
        headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        filled = path.format_map(defaultdict(lambda: "x", ids))  # a new placeholder names something that is not there
        body: dict[str, object] = {"site": "local", "incarnation": "1", "attempts": [], "reports": [], "tasks": []}
        body["total"] = {"cpu_cores": 1, "ram_gb": 1, "disk_gb": 1, "slots": 1}
        sent = {} if verb in ("get", "head", "options", "delete") else {"json": body}
        answer = await self.client.request(verb, filled, headers=headers, **sent)  # type: ignore[arg-type]
        return answer.status_code


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[Deployment]:
    """Ada has a task, a workload and its upload."""
    folder = tmp_path / "catalogue" / "lines"
    folder.mkdir(parents=True)
    (folder / "pipeline.yml").write_text(PIPELINE)
    (folder / "Snakefile").write_text("rule all:\n")
    settings = Settings(data=tmp_path / "data", authentication="tokens", catalogue=[folder.parent])
    app = create_app(settings)
    inside = app.state.services = build_services(settings)
    inside.workloads.downloads.accounts.pause = _at_once
    async with running(inside):
        tokens = {
            "ada": await inside.access.issue("ada", ["tasks", "workloads"]),
            "bob": await inside.access.issue("bob", ["tasks", "workloads", "agent:elsewhere"]),
            "expired": await inside.access.issue("ada", ["tasks", "workloads", "agent:local", "admin"], 0),
            "scopeless": await inside.access.issue("ada", ["agent:nowhere"]),
        }
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            routes = [(verb, path) for path, verbs in app.openapi()["paths"].items() for verb in verbs]
            yield Deployment(client, routes, tokens, await _of_ada(client, tokens["ada"]))


async def _at_once(_seconds: float) -> None:
    """A wrong secret of an account waits ever longer, which its own tests measure."""


async def _of_ada(client: httpx.AsyncClient, token: str) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"}
    task = (await client.post("/v1/tasks", json=RUN, headers=headers)).json()["id"]
    given = {"role": "text", "name": "a.txt", "size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    body = {"pipeline": "lines", "inputs": [given]}
    made = (await client.post("/api/v1/workloads", json=body, headers=headers)).json()
    upload = made["uploads"][0]["url"].rpartition("/")[2]
    return {"id": task, "workload": made["id"], "upload": upload, "name": "lines", "path": "x"}


async def test_without_a_token_only_what_is_open_answers(deployment: Deployment) -> None:
    for verb, path in deployment.routes:
        status = await deployment.ask(verb, path, None, deployment.hers)
        assert (status == 401) is ((verb, path) not in OPEN), (verb, path, status)


async def test_a_token_that_is_none_opens_nothing(deployment: Deployment) -> None:
    for verb, path in deployment.guarded():
        for token in ("nonsense", "pst_nobody_nothing", "psa_x-1_0", "pst__", ""):
            assert await deployment.ask(verb, path, token, deployment.hers) == 401, (verb, path, token)


async def test_an_expired_token_opens_nothing(deployment: Deployment) -> None:
    for verb, path in deployment.guarded():
        assert await deployment.ask(verb, path, deployment.tokens["expired"], deployment.hers) == 401, (verb, path)


async def test_a_token_without_the_scope_opens_nothing(deployment: Deployment) -> None:
    for verb, path in deployment.guarded():
        status = await deployment.ask(verb, path, deployment.tokens["scopeless"], deployment.hers)
        assert status in (401, 403), (verb, path, status)


async def test_what_is_anothers_looks_like_what_is_not_there(deployment: Deployment) -> None:
    nothing = {**deployment.hers, "id": new_id(), "workload": new_id(), "upload": new_id()}
    for verb, path in deployment.guarded():
        if not any(name in path for name in ("{id}", "{workload}", "{upload}")):
            continue
        bobs = await deployment.ask(verb, path, deployment.tokens["bob"], deployment.hers)
        assert bobs in (400, 401, 403, 404), (verb, path, bobs)
        assert bobs == await deployment.ask(verb, path, deployment.tokens["bob"], nothing), (verb, path)


async def test_an_agents_token_is_for_its_own_site_only(deployment: Deployment) -> None:
    for verb, path in deployment.guarded():
        if path.startswith("/agent/"):
            assert await deployment.ask(verb, path, deployment.tokens["bob"], deployment.hers) == 403, path


async def test_a_list_holds_nothing_of_anothers(deployment: Deployment) -> None:
    headers = {"Authorization": f"Bearer {deployment.tokens['bob']}"}
    for path in ("/v1/tasks", "/ga4gh/tes/v1/tasks?view=FULL", "/api/v1/workloads"):
        told = (await deployment.client.get(path, headers=headers)).text
        assert deployment.hers["id"] not in told
        assert deployment.hers["workload"] not in told
