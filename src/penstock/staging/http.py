"""Fetching ``http(s)://`` inputs: streamed to disk, resumed where they were cut, digested on the way.

InvalidInput: the URL itself is wrong, and stays so (4xx, a private address). Unreachable: it may work another time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx
import tenacity

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.addresses import resolve

MOST_REDIRECTS = 10
MOST_FAILURES = 5  # in a row, without a new byte
_TRANSIENT = frozenset({408, 416, 425, 429})  # besides 5xx; 416: the file has changed under our feet
_SILENCE = httpx.Timeout(60.0, connect=20.0)


@dataclass(frozen=True)
class Fetched:
    """A file that has arrived whole."""

    size_bytes: int
    sha256: str


def fetch(
    url: str, target: Path, deadline: Deadline, *, allow_private: bool = False, longest_pause_s: float = 15.0
) -> Fetched:
    """Fetch ``url`` into the new file ``target``; InvalidInput and Unreachable name the URL."""
    with httpx.Client(timeout=_SILENCE, trust_env=False) as client, target.open("xb+") as file:
        download = _Download(client, url, file, deadline, allow_private=allow_private)
        retry = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Unreachable, httpx.TransportError)),
            stop=lambda _state: download.failures >= MOST_FAILURES or deadline.passed,
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=longest_pause_s),
            reraise=True,
        )
        try:
            retry(download.go_on)
        except httpx.TransportError as error:
            raise Unreachable(f"{url} cannot be fetched: {error or type(error).__name__}.") from error
        return download.result()


class _Download:
    """One file on its way, over as many requests as it takes."""

    def __init__(
        self, client: httpx.Client, url: str, file: BinaryIO, deadline: Deadline, *, allow_private: bool
    ) -> None:
        self._client = client
        self._url = url
        self._file = file
        self._deadline = deadline
        self._allow_private = allow_private
        self._validator: str | None = None
        self._size = 0
        self._digest = hashlib.sha256()
        self.failures = 0

    def result(self) -> Fetched:
        self._file.flush()
        return Fetched(self._size, self._digest.hexdigest())

    def go_on(self) -> None:
        """One request, and those it is redirected to; counts as a failure unless bytes come."""
        self.failures += 1
        url = httpx.URL(self._url)
        for _ in range(MOST_REDIRECTS):
            following = self._request(url)
            if following is None:
                return
            url = following
        raise InvalidInput(f"{self._url} redirects more than {MOST_REDIRECTS} times.")

    def _request(self, url: httpx.URL) -> httpx.URL | None:
        """Ask for what is missing; returns where a redirect leads."""
        headers = {"Host": url.netloc.decode(), "Accept-Encoding": "identity", "User-Agent": "penstock"}
        if self._size and self._validator:
            headers |= {"Range": f"bytes={self._size}-", "If-Range": self._validator}
        extensions = {"sni_hostname": url.host} if url.scheme == "https" else {}
        with self._client.stream("GET", self._by_address(url), headers=headers, extensions=extensions) as response:
            if response.has_redirect_location:
                return url.join(response.headers["Location"])
            self._check(response)
            self._take(response)
        return None

    def _by_address(self, url: httpx.URL) -> httpx.URL:
        """The URL with an address that was looked at in the place of the name."""
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"{self._url} leads to {str(url)!r}, which is not supported.")
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = resolve(url.host, port, allow_private=self._allow_private)
        except InvalidInput as error:
            raise InvalidInput(f"{self._url} is refused: {error.message}", hint=error.hint) from error
        return url.copy_with(host=addresses[(self.failures - 1) % len(addresses)])

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status in _TRANSIENT or status >= 500:
            if status == 416:
                self._restart()
            raise Unreachable(f"{self._url} answers {status} {response.reason_phrase}.")
        if status not in (200, 206):
            raise InvalidInput(f"{self._url} answers {status} {response.reason_phrase}.")

    def _take(self, response: httpx.Response) -> None:
        expected = f"bytes {self._size}-"
        if response.status_code == 200:
            self._restart()
        elif not response.headers.get("Content-Range", "").startswith(expected):
            self._restart()
            raise Unreachable(f"{self._url} sends another part than it was asked for.")
        self._validator = _validator(response.headers)
        for chunk in response.iter_raw():
            self._file.write(chunk)
            self._digest.update(chunk)
            self._size += len(chunk)
            self.failures = 0
            if self._deadline.passed:
                raise Unreachable(f"{self._url} was not fetched in time; {self._size} bytes had come.")

    def _restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._size = 0
        self._validator = None
        self._digest = hashlib.sha256()


def _validator(headers: httpx.Headers) -> str | None:
    """What says that a later answer is a part of the same file (RFC 9110, 13.1.5: a strong one)."""
    tag: str | None = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    moment: str | None = headers.get("Last-Modified")
    return moment
