"""A server in memory, for faults that a real one cannot be made to have at a given byte."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from penstock.client.http import Server
from penstock.client.inputs import LocalFile, look_at
from penstock.client.patience import Patience
from penstock.client.runs import Runs
from penstock.client.workloads import Workload
from penstock.errors import PenstockError
from penstock.settings import Settings

Handler = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class MemoryServer:
    """Uploads by tus and downloads with ranges. ``faults`` are asked first, each until it answers or raises once."""

    uploads: dict[str, bytearray] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    states: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Handler] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    cut_uploads_after: list[int] = field(default_factory=list)
    cut_downloads_after: list[int] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        for fault in list(self.faults):
            answer = fault(request)
            if answer is not None:
                self.faults.remove(fault)
                return answer
        path = request.url.path
        for pattern, handle in (
            (r"/uploads/(\w+)", self._upload),
            (r"/download/\w+/files/(.+)", self._file),
            (r"/download/\w+/(manifest.sha256)", self._manifest),
            (r"/api/v1/workloads/(\w+):acknowledge", self._acknowledge),
            (r"/api/v1/workloads/(\w+)", self._workload),
            (r"/api/v1/(workloads)", self._create),
        ):
            found = re.fullmatch(pattern, path)
            if found:
                return handle(request, found[1])
        return httpx.Response(404, json={"title": "Not Found", "detail": f"There is no {path}.", "code": "not-found"})

    def _upload(self, request: httpx.Request, name: str) -> httpx.Response:
        kept = self.uploads.setdefault(name, bytearray())
        if request.method == "HEAD":
            return httpx.Response(200, headers={"Upload-Offset": str(len(kept))})
        if int(request.headers["Upload-Offset"]) != len(kept):
            return httpx.Response(409, json={"detail": "Wrong offset.", "code": "conflict"})
        most = self.cut_uploads_after.pop(0) if self.cut_uploads_after else None
        for piece in request.stream:  # type: ignore[union-attr]  # ours is a synchronous client
            if most is not None and len(piece) >= most:
                kept.extend(piece[:most])
                raise httpx.WriteError("connection reset")
            kept.extend(piece)
            most = None if most is None else most - len(piece)
        return httpx.Response(204, headers={"Upload-Offset": str(len(kept))})

    def _file(self, request: httpx.Request, name: str) -> httpx.Response:
        content = self.results[name]
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in request.headers else 0
        if start and start >= len(content):
            return httpx.Response(416)
        body = content[start:]
        if self.cut_downloads_after:
            return httpx.Response(206 if start else 200, stream=_Cut(body[: self.cut_downloads_after.pop(0)]))
        return httpx.Response(206 if start else 200, content=body)

    def _manifest(self, _request: httpx.Request, _name: str) -> httpx.Response:
        lines = (f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in self.results.items())
        return httpx.Response(200, text="".join(lines))

    def _acknowledge(self, _request: httpx.Request, workload: str) -> httpx.Response:
        self.acknowledged.append(workload)
        return httpx.Response(204)

    def _workload(self, _request: httpx.Request, workload: str) -> httpx.Response:
        if workload != "w1" or not self.states:
            return httpx.Response(404, json={"detail": f"There is no workload {workload!r}.", "code": "not-found"})
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return httpx.Response(200, json=self.document(**state))

    def _create(self, request: httpx.Request, _: str) -> httpx.Response:
        body = json.loads(request.read())
        self.created.append(body)
        declared = [body["bundle"] | {"role": "bundle", "name": "inputs.tar"}] if "bundle" in body else body["inputs"]
        for number, entry in enumerate(declared):
            self.sizes[f"u{number}"] = entry["size"]
        self.states = self.states or [{"state": "UPLOADING"}]
        answer = {"id": "w1", "state": "UPLOADING", "uploads": self._declared(), "account": ACCOUNT}
        return httpx.Response(201, json=answer)

    def document(self, **changes: Any) -> dict[str, Any]:
        """The workload as the API shows it."""
        listed = [
            {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "url": f"/x/{name}"}
            for name, content in self.results.items()
        ]
        return {"id": "w1", "pipeline": "count", "uploads": self._declared(), "results": listed, **changes}

    def _declared(self) -> list[dict[str, Any]]:
        if not self.created:
            return []
        body = self.created[-1]
        declared = [body["bundle"] | {"role": "bundle", "name": "inputs.tar"}] if "bundle" in body else body["inputs"]
        return [
            {
                "role": one["role"],
                "name": one["name"],
                "size": one["size"],
                "url": f"http://elsewhere/uploads/u{number}",
            }
            for number, one in enumerate(declared)
        ]


ACCOUNT = {"name": "w1", "secret": "s3cret"}


class _Cut(httpx.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content
        raise httpx.ReadError("connection reset")


@dataclass
class Told:
    """A watcher that remembers."""

    notes: list[str] = field(default_factory=list)
    transfers: list[tuple[str, int, int]] = field(default_factory=list)
    moved: int = 0
    ended: int = 0
    states: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def done(self, text: str) -> None:
        self.notes.append(text)

    def begin(self, what: str, size: int, files: int) -> None:
        self.transfers.append((what, size, files))
        self.moved = 0

    def advance(self, size: int) -> None:
        self.moved += size

    def end(self) -> None:
        self.ended += 1

    def workload(self, workload: Workload) -> None:
        self.states.append(str(workload.state))

    def waiting(self, error: PenstockError, _left_s: float) -> None:
        self.waits.append(error.message)


@pytest.fixture
def memory() -> MemoryServer:
    """A server in memory."""
    return MemoryServer()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a client that touch nothing of the user's."""
    return Settings(url="http://here", state=tmp_path / "state", token_file=tmp_path / "token")


@pytest.fixture
def connection(memory: MemoryServer, settings: Settings) -> Iterator[Server]:
    """A client of that server."""
    with Server(settings, httpx.MockTransport(memory)) as made:
        yield made


@pytest.fixture
def told() -> Told:
    """A watcher that remembers."""
    return Told()


@pytest.fixture
def patience(told: Told) -> Patience:
    """Tries again at once, for a second."""
    return Patience(1.0, told.waiting, first_pause_s=0.0)


@pytest.fixture
def runs(connection: Server, told: Told, patience: Patience) -> Runs:
    return Runs(connection, told, patience)


@pytest.fixture
def files(tmp_path: Path) -> list[LocalFile]:
    found = []
    for name in ("r1.fq", "r2.fq"):
        (tmp_path / name).write_text(f"@{name}\n" * 100)
        found.append(look_at("reads", tmp_path / name))
    return found
