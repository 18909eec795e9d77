"""JSON calls from an engine to its server, over the sandbox's unix socket or the network.

Written on http.client because httpx takes 0.2 s to import, which every start of an engine would pay. A server that is
away is waited for: it may be restarted while a workload runs.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.errors import InvalidInput, PenstockError, SetupError, Unreachable

PATIENCE_S = 900.0  # as long as an agent lets its runners go on without reaching the server
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0
_ANSWER_S = 30.0  # for a call that does not wait by itself
_TRANSIENT = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


@dataclass(frozen=True)
class Address:
    """Where the server is, and the file with the token that opens it."""

    url: str
    socket: str | None = None
    token_file: str | None = None
    ca_file: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Address:
        """What the backend tells a head task; SetupError if it was started elsewhere and knows no server."""
        url, path = environment.get("PENSTOCK_URL"), environment.get("PENSTOCK_SOCKET")
        if not url and not path:
            raise SetupError(
                "Neither PENSTOCK_URL nor PENSTOCK_SOCKET is set.",
                hint="The executor 'penstock' runs inside a workload; use another executor elsewhere.",
            )
        return cls(
            url=url or "http://penstock",
            socket=path or None,
            token_file=environment.get("PENSTOCK_TOKEN_FILE") or None,
            ca_file=environment.get("PENSTOCK_CA_FILE") or None,
        )

    def token(self) -> str | None:
        """The token; read anew at each use, because the file may be replaced."""
        return Path(self.token_file).read_text().strip() if self.token_file else None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("penstock", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Connection:
    """One kept-alive connection; for one thread. Every call through it must be safe to repeat."""

    def __init__(self, address: Address, *, patience_s: float = PATIENCE_S) -> None:
        self._address = address
        self._patience_s = patience_s
        self._open: http.client.HTTPConnection | None = None

    def call(self, method: str, path: str, body: object = None, *, waits_s: float = 0.0) -> dict[str, Any]:
        """The answer's document. Unreachable when the server stays away, PenstockError when it refuses.

        Parameters
        ----------
        waits_s: how long the server itself may hold the answer back (a long-poll).
        """
        give_up = time.monotonic() + self._patience_s
        pause = _FIRST_PAUSE_S
        while True:
            try:
                status, document = self._once(method, path, body, _ANSWER_S + waits_s)
                problem = f"it answered {status}"
            except (OSError, http.client.HTTPException) as error:
                self.close()
                status, document, problem = None, {}, f"{type(error).__name__}: {error}"
            if status is not None and status not in _TRANSIENT:
                return _accepted(method, path, status, document)
            if time.monotonic() + pause > give_up:
                raise Unreachable(f"The server did not answer {method} {path} for {self._patience_s:.0f} s: {problem}.")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Drop the connection; the next call makes another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _once(self, method: str, path: str, body: object, timeout: float) -> tuple[int, dict[str, Any]]:
        headers = {"Accept": "application/json"}
        token = self._address.token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            content = json.dumps(body, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        connection = self._connected(timeout)
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        return response.status, _document(response.read())

    def _connected(self, timeout: float) -> http.client.HTTPConnection:
        if self._open is None:
            self._open = self._made(timeout)
        self._open.timeout = timeout
        if self._open.sock is not None:
            self._open.sock.settimeout(timeout)
        return self._open

    def _made(self, timeout: float) -> http.client.HTTPConnection:
        if self._address.socket:
            return _UnixConnection(self._address.socket, timeout)
        parts = urlsplit(self._address.url)
        if parts.hostname is None:
            raise SetupError(f"PENSTOCK_URL is {self._address.url!r}.", hint="It must be like https://host:port.")
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=self._address.ca_file)
            return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content) if content else {}
    except ValueError:
        return {"detail": content[:500].decode(errors="replace")}
    return document if isinstance(document, dict) else {"detail": str(document)}


def _accepted(method: str, path: str, status: int, document: dict[str, Any]) -> dict[str, Any]:
    if status < HTTPStatus.BAD_REQUEST:
        return document
    said = document.get("detail") or document.get("msg") or "no reason given"
    message = f"The server refused {method} {path} with {status}: {said}"
    raise (InvalidInput if status < HTTPStatus.INTERNAL_SERVER_ERROR else PenstockError)(message)
