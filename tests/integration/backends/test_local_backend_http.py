"""Remote inputs, from a real HTTP server that cuts, stalls and lies."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.integration.backends.conftest import Bench

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.http import fetch
from penstock.tasks.models import Outcome

BODY = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(BODY).hexdigest()


class Origin(ThreadingHTTPServer):
    """Serves BODY; ``cuts`` says after how many bytes each answer to a GET breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.requests: list[tuple[str, str | None]] = []
        self.tags = ['"v1"']
        self.statuses: list[int] = []
        self.ranges = True

    def url(self, path: str = "/file") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Origin

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append((self.path, wanted))
        if self.server.statuses:
            self.answer(self.server.statuses.pop(0), b"")
        elif self.path.startswith("/status/"):
            self.answer(int(self.path[8:]), b"")
        elif self.path == "/moved":
            self.answer(302, b"", Location="/file")
        elif self.path == "/round":
            self.answer(302, b"", Location="/round")
        elif self.path == "/away":
            self.answer(302, b"", Location="ftp://example.org/")
        else:
            self.send_body(wanted)

    def send_body(self, wanted: str | None) -> None:
        tag = self.server.tags.pop(0) if len(self.server.tags) > 1 else self.server.tags[0]
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        if match and self.server.ranges and self.headers.get("If-Range") == tag:
            start = int(match[1])
            span = f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
            self.answer(206, BODY[start:], **{"ETag": tag, "Content-Range": span})
        else:
            self.answer(200, BODY, ETag=tag)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.server.cuts:
            self.wfile.write(body[: self.server.cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[Origin]:
    """A server of its own."""
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(origin: Origin, tmp_path: Path, path: str = "/file", **more: Any) -> tuple[str, bytes]:
    """Fetch; digest as told, and the bytes on disk."""
    target = tmp_path / "target"
    more = {"allow_private": True, "longest_pause_s": 0.01} | more
    fetched = fetch(origin.url(path), target, Deadline.after(60), **more)
    assert fetched.size_bytes == target.stat().st_size
    return fetched.sha256, target.read_bytes()


def test_a_file_arrives_with_its_digest(origin: Origin, tmp_path: Path) -> None:
    assert get(origin, tmp_path) == (DIGEST, BODY)
    assert origin.requests == [("/file", None)]


def test_a_cut_transfer_goes_on_where_it_was(origin: Origin, tmp_path: Path) -> None:
    origin.cuts = [300_000, 200_000, 1]
    assert get(origin, tmp_path) == (DIGEST, BODY)
    assert len(origin.requests) == 4
    assert all(wanted for _, wanted in origin.requests[1:])


def test_many_cuts_are_no_failure_as_long_as_bytes_come(origin: Origin, tmp_path: Path) -> None:
    origin.cuts = [50_000] * 15
    assert get(origin, tmp_path) == (DIGEST, BODY)


def test_a_file_that_changed_meanwhile_is_fetched_anew(origin: Origin, tmp_path: Path) -> None:
    origin.cuts = [300_000]
    origin.tags = ['"v1"', '"v2"']
    assert get(origin, tmp_path) == (DIGEST, BODY)


def test_a_server_without_ranges_sends_all_again(origin: Origin, tmp_path: Path) -> None:
    origin.cuts = [300_000]
    origin.ranges = False
    assert get(origin, tmp_path) == (DIGEST, BODY)


def test_a_busy_server_is_asked_again(origin: Origin, tmp_path: Path) -> None:
    origin.statuses = [503, 429, 500]
    assert get(origin, tmp_path) == (DIGEST, BODY)


def test_redirects_are_followed(origin: Origin, tmp_path: Path) -> None:
    assert get(origin, tmp_path, "/moved") == (DIGEST, BODY)


@pytest.mark.parametrize("path", ["/status/404", "/status/403", "/status/410", "/round", "/away"])
def test_what_will_not_change_is_final(origin: Origin, tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(origin.url(path))):
        get(origin, tmp_path, path)


def test_a_server_that_stays_broken_is_given_up(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="answers 500"):
        get(origin, tmp_path, "/status/500")
    assert len(origin.requests) == 5


def test_cuts_without_a_byte_are_given_up(origin: Origin, tmp_path: Path) -> None:
    origin.cuts = [0] * 10
    with pytest.raises(Unreachable, match="cannot be fetched"):
        get(origin, tmp_path)


def test_nobody_listening_is_unreachable(origin: Origin, tmp_path: Path) -> None:
    origin.shutdown()
    origin.server_close()
    with pytest.raises(Unreachable):
        get(origin, tmp_path)


def test_a_passed_deadline_ends_it(origin: Origin, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="not fetched in time"):
        fetch(origin.url(), tmp_path / "target", Deadline.after(0), allow_private=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "[::]"])
def test_private_addresses_are_refused(tmp_path: Path, host: str) -> None:
    with pytest.raises(InvalidInput, match="not public"):
        fetch(f"http://{host}:1/", tmp_path / "target", Deadline.after(5))


async def test_a_task_gets_its_remote_input(bench: Bench, origin: Origin) -> None:
    bench.settings.allow_private_urls = True
    await bench.backend.close()
    bench.open()
    origin.cuts = [300_000]
    inputs = [{"path": "/in/a", "url": origin.url()}, {"path": "/in/b", "url": origin.url("/moved")}]
    report = await bench.run("sha256sum /in/a /in/b", inputs=inputs)
    assert report.log.executors[0].stdout == f"{DIGEST}  /in/a\n{DIGEST}  /in/b\n"
    assert f"fetched {origin.url()}: {len(BODY)} bytes, sha256 {DIGEST}" in report.log.system_logs


async def test_a_remote_input_that_is_not_there_is_final(bench: Bench, origin: Origin) -> None:
    bench.settings.allow_private_urls = True
    await bench.backend.close()
    bench.open()
    report = await bench.run("true", inputs=[{"path": "/in", "url": origin.url("/status/404")}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert origin.url("/status/404") in report.reason
    assert not any(told.event == "started" for told in bench.told)


async def test_a_remote_input_on_this_machine_is_refused(bench: Bench, origin: Origin) -> None:
    report = await bench.run("true", inputs=[{"path": "/in", "url": origin.url()}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "not public" in report.reason
    assert origin.requests == []


async def test_a_transfer_is_ended_with_its_attempt(bench: Bench, origin: Origin) -> None:
    bench.settings.allow_private_urls = True
    await bench.backend.close()
    bench.open()
    origin.statuses = [503] * 50
    work = bench.work("true", inputs=[{"path": "/in", "url": origin.url()}])
    await bench.backend.start(work)
    await bench.backend.end(work.attempt)
    assert (await bench.until("finished", work)).outcome is Outcome.CANCELED
