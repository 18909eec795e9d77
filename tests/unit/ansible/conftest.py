"""Modules of ``library/``, run in this process as Ansible runs them, against a server in memory."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from ansible.module_utils.testing import patch_module_args  # type: ignore[import-untyped]  # it has no types

from penstock.client import operations
from penstock.client.http import Server
from penstock.settings import Settings

LIBRARY = Path(__file__).resolve().parents[3] / "library"
FRAGMENTS = LIBRARY.parent / "plugins" / "doc_fragments"
Run = Callable[..., dict[str, Any]]


def load(name: str, folder: Path = LIBRARY) -> ModuleType:
    """A module of the library by its file."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


@dataclass
class Operated:
    """What an operator's token sees: workloads, and their accounts by the age of the secret (None: revoked)."""

    workloads: list[dict[str, Any]] = field(default_factory=list)
    accounts: dict[str, float | None] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def add(self, name: str, state: str = "SUCCEEDED", owner: str = "ada", age: float = 100, size: int = 10) -> str:
        times = {"created_at": ago(age), "updated_at": ago(age)}
        kind = {"pipeline": "lines", "version": "1", "sequence": 1}
        self.workloads.insert(0, {"id": name, "owner": owner, "state": state, "bytes": size, **times, **kind})
        self.accounts[name] = age
        return name

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1/workloads").lstrip("/")
        if request.method != "GET":
            self.calls.append(f"{request.method} {path}")
        if not path:
            owner = request.url.params["owner"]
            return httpx.Response(
                200, json={"workloads": [one for one in self.workloads if owner in ("*", one["owner"])]}
            )
        name, _, rest = path.partition("/")
        return self._one(request.method, name.partition(":")[0], rest, name.partition(":")[2])

    def _one(self, method: str, name: str, rest: str, action: str) -> httpx.Response:
        found = [one for one in self.workloads if one["id"] == name]
        if not found:
            return httpx.Response(404, json={"detail": f"There is no workload {name!r}.", "code": "not-found"})
        if rest == "account:rotate":
            self.accounts[name] = 0
            return httpx.Response(200, json={"name": "w1", "secret": "the-new-secret"})
        if rest == "account" and method == "DELETE":
            self.accounts[name] = None
            return httpx.Response(204)
        if rest == "account":
            return httpx.Response(200, json=self._account(name))
        if action == "cancel":
            found[0]["state"] = "CANCELED"
        if action == "acknowledge":
            self.workloads.remove(found[0])
            return httpx.Response(204)
        return httpx.Response(200, json=found[0])

    def _account(self, name: str) -> dict[str, Any]:
        age = self.accounts[name]
        if age is None:
            return {"state": "revoked", "name": None, "rotated_at": None}
        return {"state": "active", "name": "w1", "rotated_at": ago(age)}


@pytest.fixture
def operated() -> Operated:
    return Operated()


@pytest.fixture
def run_module(operated: Operated, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a module by name; the answer is what Ansible would read."""

    def connect(_parameters: object) -> Server:
        return Server(Settings(url="http://memory"), httpx.MockTransport(operated))

    monkeypatch.setattr(operations, "connect", connect)

    def run(name: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
        module = load(name)
        told = {"_ansible_check_mode": check, "_ansible_diff": True, **arguments}
        with patch_module_args(told), pytest.raises(SystemExit):
            module.main()
        out = capfd.readouterr().out
        answer: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
        return answer

    return run
