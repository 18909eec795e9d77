"""The one place that makes the HTTP client: address, socket, trust, token; and that turns answers back into errors."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from penstock.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidInput,
    LimitReached,
    NotAuthenticated,
    NotFound,
    PenstockError,
    SetupError,
    StorageFull,
    TooLarge,
    Unreachable,
)
from penstock.settings import Settings

CONNECT_S, ANSWER_S = 10.0, 60.0  # without what the server was asked to wait
START_IT = "Start it with `penstock serve`, or set PENSTOCK_URL."
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_GATEWAY = frozenset({502, 503, 504})  # a proxy's words for a server that is not there
_BY_STATUS: dict[int, type[PenstockError]] = {
    error.status: error
    for error in (
        *(InvalidInput, NotAuthenticated, Forbidden, NotFound, Gone, Conflict),
        *(TooLarge, LimitReached, StorageFull),
    )
}
Query = Mapping[str, str | int | float | bool | None] | list[tuple[str, str]]


class Server:
    """A server as a client sees it. Every request goes to ``url``, also for addresses that the server hands out,
    so that a tunnel or another name for the same server works. Safe to use from several threads.

    ``transport`` replaces the network.
    """

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None = None) -> None:
        self.settings = settings
        self.url = settings.url.rstrip("/")
        self._prefix = _check_url(self.url)
        self._client = _make_client(settings, self.url, transport)

    def use(self, token: str | None) -> None:
        """Send the token that a workload came with, where there is none of the user's own."""
        if token is not None and self.settings.token() is None:
            self._client.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def path(self, url: str) -> str:
        """Path and query of an address that the server handed out, below ``self.url``."""
        parts = urlsplit(url)
        path = parts.path.removeprefix(self._prefix) if self._prefix else parts.path
        return f"{path}?{parts.query}" if parts.query else path

    def get(self, path: str, query: Query | None = None, *, wait_s: float = 0.0) -> Any:  # noqa: ANN401 - JSON
        """The JSON that stands at ``path``; ``wait_s`` is how long the server may hold the answer back."""
        return _json(self.request("GET", path, query=query, wait_s=wait_s))

    def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Any:  # noqa: ANN401
        """The JSON that the server answers; None where it answers nothing."""
        response = self.request("POST", path, json=body, headers=headers)
        return _json(response) if response.content else None

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        json: object = None,
        content: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0.0,
    ) -> httpx.Response:
        """One request; any answer of 400 and above, and no answer, become an error of the tree."""
        timeout = httpx.Timeout(ANSWER_S + wait_s, connect=CONNECT_S)
        with self._translated():
            response = self._client.request(
                method,
                self.url + path,
                params=query,  # type: ignore[arg-type]  # httpx takes lists of pairs, its types are narrower
                json=json,
                content=content,
                headers=headers,
                timeout=timeout,
            )
        self._check(response)
        return response

    @contextmanager
    def stream(
        self, path: str, *, headers: Mapping[str, str] | None = None, account: tuple[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """A GET whose body is read piece by piece; ``account`` is sent instead of the token."""
        credentials: Any = {} if account is None else {"auth": account}
        with (
            self._translated(),
            self._client.stream("GET", self.url + path, headers=headers, **credentials) as response,
        ):
            if response.status_code >= 400 and response.status_code != 416:  # the reader of ranges handles 416
                response.read()
                self._check(response)
            yield response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise InvalidInput(f"{self.url!r} is not the address of a server: {error}.") from error
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                hint = "Name the file of its certificate authority in PENSTOCK_CA_FILE."
                raise SetupError(f"The certificate of {self.url} is not trusted.", hint=hint) from error
            reason = _ERRNO.sub("", str(error)) or type(error).__name__
            raise Unreachable(f"No answer from {self._place()}: {reason}.", hint=START_IT) from error

    def _place(self) -> str:
        return f"{self.settings.socket}" if self.settings.socket else self.url

    def _check(self, response: httpx.Response) -> None:
        if response.status_code < 400:
            return
        error = problem(response, self._place())
        raise self._about_the_token(error) if isinstance(error, NotAuthenticated) else error

    def _about_the_token(self, error: NotAuthenticated) -> NotAuthenticated:
        file = self.settings.token_file
        hint = "Ask its operator for one (`penstock admin token create`), or name another file in PENSTOCK_TOKEN_FILE."
        if self.settings.token() is None:
            return NotAuthenticated(f"{self._place()} wants a token, and there is none in {file}.", hint=hint)
        return NotAuthenticated(
            f"{self._place()} refused the token in {file}: {error.message}", hint=error.hint or hint
        )


def problem(response: httpx.Response, place: str) -> PenstockError:
    """The error that an answer of 400 and above tells of: problem details (RFC 9457), or TES's own shape."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not ({"detail", "title", "msg"} & body.keys()):
        return _unexplained(response, place)
    kind = _by_code().get(str(body.get("code"))) or _BY_STATUS.get(response.status_code)
    if kind is None:
        kind = Unreachable if response.status_code in _GATEWAY else PenstockError
    message = body.get("detail") or body.get("msg") or body.get("title")
    return kind(_sentence(message), hint=str(body.get("hint") or ""))


def _unexplained(response: httpx.Response, place: str) -> PenstockError:
    said = f"{response.status_code} {response.reason_phrase}".strip()
    if response.status_code in _GATEWAY:
        return Unreachable(f"{place} answers {said}: the server behind it is not there.", hint=START_IT)
    kind = _BY_STATUS.get(response.status_code, PenstockError)
    return kind(f"{place} answered {said} to {response.request.method} {response.request.url.path}.")


def _by_code() -> dict[str, type[PenstockError]]:
    found, open_ = {}, [PenstockError]
    while open_:
        kind = open_.pop()
        found[kind.code] = kind
        open_.extend(kind.__subclasses__())
    return found


def _sentence(message: object) -> str:
    # FastAPI's own validation puts a list here
    return message if isinstance(message, str) else str(message)


def _json(response: httpx.Response) -> Any:  # noqa: ANN401
    try:
        return response.json()
    except ValueError as error:
        hint = "Is PENSTOCK_URL the address of a Penstock server?"
        raise PenstockError(f"{response.request.url} did not answer with JSON.", hint=hint) from error


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidInput(f"{url!r} is not the address of a server.", hint="PENSTOCK_URL is http://… or https://….")
    return parts.path


def _make_client(settings: Settings, url: str, transport: httpx.BaseTransport | None) -> httpx.Client:
    token = settings.token()
    host = urlsplit(url).hostname or ""
    direct = settings.socket is not None or host == "localhost" or host.startswith("127.") or host == "::1"
    if settings.socket is not None and transport is None:
        transport = httpx.HTTPTransport(uds=str(settings.socket))
    return httpx.Client(
        headers={"Authorization": f"Bearer {token}"} if token else {},
        transport=transport,
        verify=_trust(settings) if url.startswith("https:") else False,
        trust_env=not direct,  # a proxy of the environment cannot reach this machine's loopback
        timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
    )


def _trust(settings: Settings) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    if settings.ca_file is not None:
        try:
            trust.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise SetupError(f"Cannot read the certificate authority {settings.ca_file}: {error}.") from error
    return trust
