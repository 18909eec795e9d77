"""``http(s)://``: files fetched with ranges, resumed where they were cut, and put.

InvalidInput: the URL itself is wrong, and stays so (4xx, a private address). Unreachable: it may work another time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.addresses import resolve
from penstock.staging.arrival import LARGEST, LONGEST_PAUSE_S, Arrival, Fetched, arrive, insist
from penstock.staging.urls import shown

MOST_REDIRECTS = 10
_TRANSIENT = frozenset({408, 416, 425, 429})  # besides 5xx; 416: the file has changed under our feet
_SILENCE = httpx.Timeout(60.0, connect=20.0)
_CHUNK = 1 << 20


def fetch(
    url: str,
    target: Path,
    deadline: Deadline,
    *,
    allow_private: bool = False,
    largest: int = LARGEST,
    longest_pause_s: float = LONGEST_PAUSE_S,
) -> Fetched:
    """Fetch ``url`` into the new file ``target``; InvalidInput and Unreachable name the URL."""
    with httpx.Client(timeout=_SILENCE, trust_env=False) as client:
        web = _Web(client, url, allow_private=allow_private)
        return arrive(url, target, deadline, web.go_on, largest=largest, longest_pause_s=longest_pause_s)


def send(url: str, source: Path, deadline: Deadline, *, allow_private: bool = False) -> None:
    """PUT ``source`` to ``url``, again while the server cannot be reached."""
    with httpx.Client(timeout=_SILENCE, trust_env=False) as client:
        web = _Web(client, url, allow_private=allow_private)
        insist(lambda: web.put(source, deadline), deadline)


class _Web:
    """One URL, over as many requests as it takes; each goes to an address that was looked at."""

    def __init__(self, client: httpx.Client, url: str, *, allow_private: bool) -> None:
        self._client = client
        self._url = url
        self._shown = shown(url)
        self._allow_private = allow_private
        self._tries = 0

    def go_on(self, arrival: Arrival) -> None:
        """Ask for what is missing, wherever that is redirected to."""
        self._tries += 1
        url = httpx.URL(self._url)
        for _ in range(MOST_REDIRECTS):
            try:
                following = self._get(url, arrival)
            except httpx.TransportError as error:
                raise self._unreachable("fetched", error) from error
            if following is None:
                return
            url = following
        raise InvalidInput(f"{self._shown} redirects more than {MOST_REDIRECTS} times.")

    def put(self, source: Path, deadline: Deadline) -> None:
        """Send the whole file once."""
        self._tries += 1
        url = httpx.URL(self._url)
        headers = {**_headers(url), "Content-Length": str(source.stat().st_size)}
        try:
            answer = self._client.put(
                self._by_address(url), content=self._chunks(source, deadline), headers=headers, extensions=_names(url)
            )
        except httpx.TransportError as error:
            raise self._unreachable("sent", error) from error
        self._check_status(answer, "takes no file")

    def _get(self, url: httpx.URL, arrival: Arrival) -> httpx.URL | None:
        """One request; returns where a redirect leads."""
        headers = _headers(url)
        if arrival.size and arrival.validator:
            headers |= {"Range": f"bytes={arrival.size}-", "If-Range": arrival.validator}
        with self._client.stream("GET", self._by_address(url), headers=headers, extensions=_names(url)) as answer:
            if answer.has_redirect_location:
                return url.join(answer.headers["Location"])
            if answer.status_code == 416:
                arrival.restart()
            self._check_status(answer, "")
            self._take(answer, arrival)
        return None

    def _by_address(self, url: httpx.URL) -> httpx.URL:
        """The URL with an address that was looked at in the place of the name."""
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"{self._shown} leads to {shown(str(url))!r}, which is not supported.")
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = resolve(url.host, port, allow_private=self._allow_private)
        except InvalidInput as error:
            raise InvalidInput(f"{self._shown} is refused: {error.message}", hint=error.hint) from error
        return url.copy_with(host=addresses[(self._tries - 1) % len(addresses)])

    def _check_status(self, answer: httpx.Response, what: str) -> None:
        status = answer.status_code
        told = f"{self._shown} {f'{what}: it ' if what else ''}answers {status} {answer.reason_phrase}."
        if status in _TRANSIENT or status >= 500:
            raise Unreachable(told)
        if not 200 <= status < 300:
            raise InvalidInput(told)

    def _take(self, answer: httpx.Response, arrival: Arrival) -> None:
        expected = f"bytes {arrival.size}-"
        if answer.status_code != 206:
            arrival.restart()
            arrival.expect(int(answer.headers.get("Content-Length", 0)))
        elif not answer.headers.get("Content-Range", "").startswith(expected):
            arrival.restart()
            raise Unreachable(f"{self._shown} sends another part than it was asked for.")
        arrival.validator = _validator(answer.headers)
        for chunk in answer.iter_raw():
            arrival.take(chunk)

    def _chunks(self, source: Path, deadline: Deadline) -> Iterator[bytes]:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if deadline.passed:
                    raise Unreachable(f"{self._shown} was not sent in time.")
                yield chunk

    def _unreachable(self, done: str, error: httpx.TransportError) -> Unreachable:
        return Unreachable(f"{self._shown} cannot be {done}: {error or type(error).__name__}.")


def _headers(url: httpx.URL) -> dict[str, str]:
    return {"Host": url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "penstock"}


def _names(url: httpx.URL) -> dict[str, str]:
    """The name that the certificate must have: the request itself goes to an address."""
    return {"sni_hostname": url.host} if url.scheme == "https" else {}


def _validator(headers: httpx.Headers) -> str | None:
    """What says that a later answer is a part of the same file (RFC 9110, 13.1.5: a strong one)."""
    tag: str | None = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    moment: str | None = headers.get("Last-Modified")
    return moment
