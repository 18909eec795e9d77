"""Calls from an engine to its server: what is repeated, what is refused."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from penstock.errors import InvalidInput, PenstockError, SetupError, Unreachable
from penstock.pipelines.snakemake_executor.connection import Address, Connection

Answer = tuple[int, str]


class Server:
    """Answers each request on a unix socket with the next of some given answers, or by hanging up (None)."""

    def __init__(self, path: Path, answers: list[Answer | None]) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while self._answers and self._answer(connection, stream.readline, stream.read):
                    pass

    def _answer(self, connection: socket.socket, line: Callable[[], bytes], read: Callable[[int], bytes]) -> bool:
        head = [line().decode().strip()]
        if not head[0]:
            return False
        while text := line().decode().strip():
            head.append(text)
        length = next((int(text.split(":")[1]) for text in head if text.lower().startswith("content-length")), 0)
        self.requests.append("\n".join([*head, read(length).decode()]))
        answer = self._answers.pop(0)
        if answer is None:
            return False
        status, body = answer
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        return True

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[list[Answer | None]], tuple[Server, Connection]]]:
    servers: list[Server] = []

    def start(answers: list[Answer | None]) -> tuple[Server, Connection]:
        (tmp_path / "token").write_text("secret\n")
        servers.append(Server(tmp_path / "api.sock", answers))
        address = Address("http://penstock", str(tmp_path / "api.sock"), str(tmp_path / "token"))
        return servers[-1], Connection(address, patience_s=2)

    yield start
    for server in servers:
        server.close()


Start = Callable[[list[Answer | None]], tuple[Server, Connection]]
FINE = (200, '{"fine": true}')


def test_a_call_carries_token_and_body_and_returns_the_document(serve: Start) -> None:
    server, connection = serve([FINE])
    assert connection.call("POST", "/api", {"a": [1]}) == {"fine": True}
    connection.close()
    (request,) = server.requests
    assert request.startswith("POST /api HTTP/1.1\n")
    assert "Authorization: Bearer secret" in request
    assert json.loads(request.splitlines()[-1]) == {"a": [1]}


@pytest.mark.parametrize("trouble", [None, (502, ""), (503, '{"detail": "draining"}'), (504, "<html>"), (429, "{}")])
def test_trouble_that_passes_is_waited_out(serve: Start, trouble: Answer | None) -> None:
    server, connection = serve([trouble, FINE])
    assert connection.call("GET", "/api") == {"fine": True}
    connection.close()
    assert len(server.requests) == 2


def test_a_refusal_is_not_repeated_and_says_what_the_server_said(serve: Start) -> None:
    server, connection = serve([(409, '{"detail": "This attempt is fenced."}')])
    with pytest.raises(InvalidInput, match="refused GET /api with 409: This attempt is fenced"):
        connection.call("GET", "/api")
    connection.close()
    assert len(server.requests) == 1


def test_a_fault_of_the_server_is_told_as_such(serve: Start) -> None:
    _, connection = serve([(500, '{"msg": "oops"}')])
    with pytest.raises(PenstockError, match="with 500: oops"):
        connection.call("GET", "/api")
    connection.close()


def test_a_server_that_stays_away_is_given_up_after_the_patience(tmp_path: Path) -> None:
    connection = Connection(Address("http://penstock", str(tmp_path / "none.sock")), patience_s=0.1)
    with pytest.raises(Unreachable, match=r"did not answer GET /api for 0 s: FileNotFoundError"):
        connection.call("GET", "/api")


def test_the_address_comes_from_what_the_backend_tells_a_head_task() -> None:
    told = {
        "PENSTOCK_SOCKET": "/run/penstock/api.sock",
        "PENSTOCK_URL": "http://penstock",
        "PENSTOCK_TOKEN_FILE": "/run/penstock-token/token",
        "PENSTOCK_CA_FILE": "",
    }
    assert Address.from_environment(told) == Address(
        url="http://penstock", socket="/run/penstock/api.sock", token_file="/run/penstock-token/token", ca_file=None
    )


def test_without_an_address_there_is_no_executor() -> None:
    with pytest.raises(SetupError, match="Neither PENSTOCK_URL nor PENSTOCK_SOCKET"):
        Address.from_environment({})


def test_an_address_without_a_host_is_refused() -> None:
    with pytest.raises(SetupError, match="PENSTOCK_URL is 'nowhere'"):
        Connection(Address("nowhere"), patience_s=1).call("GET", "/")
