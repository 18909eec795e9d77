"""The audit log: which requests are in it, and what it never holds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.app import build_services, create_app, running
from penstock.audit import AUDIT_LOG, AuditLog
from penstock.settings import Settings

RUN = {"executors": [{"image": "i", "command": ["true"]}]}


class Api:
    """An application with tokens, called without a network."""

    def __init__(self, client: httpx.AsyncClient, token: str, log: Path) -> None:
        self.client, self.token, self._log = client, token, log

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    async def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return await self.client.request(method, path, headers=headers, **more)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """An owner ``ada`` with the scope ``tasks``."""
    settings = Settings(data=tmp_path / "data", authentication="tokens")
    app = create_app(settings)
    inside = app.state.services = build_services(settings)
    app.state.audit = AuditLog(settings.data / AUDIT_LOG)
    async with running(inside):
        token = await inside.access.issue("ada", ["tasks"])
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(client, token, settings.data / AUDIT_LOG)
    app.state.audit.close()


async def test_a_change_is_noted_with_who_did_it_and_what_it_made(api: Api) -> None:
    made = (await api.call("POST", "/v1/tasks", json=RUN)).json()["id"]
    await api.call("POST", f"/v1/tasks/{made}:cancel")
    create, cancel = api.entries
    assert create.pop("at").endswith("Z")
    who = {"owner": "ada", "token": api.token.split("_")[1], "address": "192.0.2.7"}
    assert create == who | {"what": "POST /v1/tasks", "status": 200, "task": made}
    assert cancel["what"] == f"POST /v1/tasks/{made}:cancel"


async def test_reading_is_not_noted(api: Api) -> None:
    assert (await api.call("GET", "/v1/tasks")).status_code == 200
    assert api.entries == []


async def test_a_refusal_is_noted_even_of_reading_and_without_the_secret(api: Api) -> None:
    assert (await api.call("GET", "/v1/tasks", token="pst_x_guessed")).status_code == 401
    assert (await api.call("GET", "/api/v1/workloads")).status_code == 403
    wrong, forbidden = api.entries
    assert (wrong["status"], wrong.get("owner")) == (401, None)
    assert (forbidden["status"], forbidden["owner"]) == (403, "ada")
    assert "guessed" not in json.dumps(api.entries)
    assert api.token.split("_")[2] not in json.dumps(api.entries)


async def test_a_path_cannot_forge_an_entry(api: Api) -> None:
    await api.call("POST", '/v1/tasks/x%0A{"owner":"eve"}:cancel')
    (entry,) = api.entries
    assert entry["owner"] == "ada"


def test_a_log_that_was_rotated_away_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / AUDIT_LOG
    log = AuditLog(file)
    log.write({"owner": "ada"}, "first")
    file.rename(tmp_path / "old")
    log.write({"owner": "ada"}, "second")
    log.close()
    assert json.loads(file.read_text())["what"] == "second"
