"""Limits on what comes before a request's body: headers that are too many, too long, or never end."""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from penstock.errors import HeadTooLarge

LARGEST_HEAD = 64 << 10
MOST_HEADERS = 256


def check_head(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """HeadTooLarge where the headers of a request are more than anybody needs."""
    if len(headers) > MOST_HEADERS:
        raise HeadTooLarge(f"{len(headers)} headers: at most {MOST_HEADERS} are read.")
    size = sum(len(name) + len(value) for name, value in headers)
    if size > LARGEST_HEAD:
        raise HeadTooLarge(f"Headers of {size} bytes: at most {LARGEST_HEAD} are read.")


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's parser keeps what it is sent until the headers end; this one gives up on those that do not."""

    _head: int | None = None  # bytes of an unfinished head

    def data_received(self, data: bytes) -> None:
        """Parse; 400 and the end of the connection when the head grows without an end."""
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > LARGEST_HEAD:
                self.send_400_response(f"The headers are longer than {LARGEST_HEAD} bytes.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It ends."""
        self._head = None
        super().on_headers_complete()
