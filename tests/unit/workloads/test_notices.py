"""Warnings before a removal: by webhook, by mail, once each, and again where they did not arrive."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from penstock.clock import Deadline
from penstock.settings import Settings
from penstock.workloads import store
from penstock.workloads.models import State
from penstock.workloads.notices import mail

RETENTION_S, WARN_S = 1000, 300


class Hook(HTTPServer):
    """Answers ``status`` and keeps what was posted."""

    def __init__(self) -> None:
        self.status = 200
        self.told: list[dict[str, Any]] = []
        super().__init__(("127.0.0.1", 0), HookHandler)


class HookHandler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Nothing."""


class MailHandler(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs."""

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        body = False
        for line in self.rfile:
            if body:
                self.server.mail += line  # type: ignore[attr-defined]
                body = line != b".\r\n"
                if not body:
                    self.wfile.write(b"250 ok\r\n")
                continue
            body = line.upper().startswith(b"DATA")
            self.wfile.write(b"354 go\r\n" if body else b"250 ok\r\n")
            if line.upper().startswith(b"QUIT"):
                return


@pytest.fixture
def hook() -> Iterator[Hook]:
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(server: HTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/hook"


async def finished(house: Any) -> str:
    new = await house.create(b"a")
    await house.send(new, 0, b"a")
    await house.finish(new.workload.id)
    return str(new.workload.id)


async def warned_us(house: Any, workload: str) -> int | None:
    found = await house.database.read(lambda c: store.find_short(c, workload))
    moment: int | None = found.warned_us
    return moment

    return Settings(webhook_url=url(hook), warn_before_s=WARN_S)


async def test_a_warning_is_posted_once_and_in_time(house: Any, hook: Hook) -> None:
    house.settings.webhook_url, house.settings.warn_before_s = url(hook), WARN_S
    await house.stop()
    await house.start()
    workload = await finished(house)
    await house.workloads._expiry.sweep()
    assert hook.told == []
    house.now += (RETENTION_S - WARN_S) * 1_000_000
    for _ in range(2):
        await house.workloads._expiry.sweep()
    (told,) = hook.told
    assert (told["id"], told["owner"], told["event"]) == (workload, "ada", "workload-expires")
    assert await warned_us(house, workload) == house.now
    assert not any("secret" in key or "account" in key for key in told)
    house.later(WARN_S)
    await house.until_gone(workload)


async def test_a_warning_that_did_not_arrive_is_sent_again(house: Any, hook: Hook) -> None:
    house.settings.webhook_url, house.settings.warn_before_s = url(hook), WARN_S
    await house.stop()
    await house.start()
    workload = await finished(house)
    house.now += (RETENTION_S - WARN_S) * 1_000_000
    hook.status = 503
    await house.workloads._expiry.sweep()
    assert await warned_us(house, workload) is None
    hook.status = 200
    await house.workloads._expiry.sweep()
    assert len(hook.told) == 2
    assert await warned_us(house, workload) == house.now


async def test_a_mail_is_sent_to_the_owner(house: Any) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.mail = b""  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        house.settings.smtp_host, house.settings.smtp_port = "127.0.0.1", server.server_address[1]
        house.settings.smtp_from, house.settings.smtp_to = "penstock@example.org", "{owner}@example.org"
        house.settings.warn_before_s = WARN_S
        await house.stop()
        await house.start()
        workload = await finished(house)
        house.now += (RETENTION_S - WARN_S) * 1_000_000
        await house.workloads._expiry.sweep()
        server.shutdown()
        thread.join()
        text = server.mail.decode()  # type: ignore[attr-defined]
    assert "To: ada@example.org" in text
    assert f"penstock download {workload}" in text


async def test_without_an_address_a_warning_is_only_noted(house: Any) -> None:
    house.settings.warn_before_s = WARN_S
    await house.stop()
    await house.start()
    workload = await finished(house)
    house.now += (RETENTION_S - WARN_S) * 1_000_000
    await house.workloads._expiry.sweep()
    assert await warned_us(house, workload) == house.now
    assert (await house.workloads.look("ada", workload, 0, Deadline.after(0))).workload.state is State.SUCCEEDED
    assert mail((await house.workloads.page("ada", None, None, 1))[0], "a@b.c", "{owner}@b.c")["To"] == "ada@b.c"
