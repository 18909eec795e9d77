"""Limits on what a request may bring: headers, parameters, and the bodies of the JSON APIs, which are small.

Uploads stream and have their own limits.
"""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.errors import InvalidInput, PenstockError, TooLarge
from penstock.heads import check_head
from penstock.problems import answer

LARGEST_BODY = 16 << 20
LONGEST_QUERY = 32 << 10
MOST_PARAMETERS = 1000
STREAMED = ("/uploads", "/upload/")


class BodyLimit:
    """ASGI middleware: 413 for a body above the limit, whether it says its length or not.

    400 for an endless query, 431 for endless headers.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on if it keeps to the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except PenstockError as error:
            await _answer(scope, error)(scope, receive, send)
            return
        if scope["path"].startswith(STREAMED):
            await self._app(scope, receive, send)
            return
        await self._counted(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if len(scope["query_string"]) > LONGEST_QUERY:
            raise InvalidInput(f"A query of {len(scope['query_string'])} bytes: at most {LONGEST_QUERY} are read.")
        if scope["query_string"].count(b"&") >= MOST_PARAMETERS:
            raise InvalidInput(
                f"{scope['query_string'].count(b'&') + 1} parameters: at most {MOST_PARAMETERS} are read."
            )
        check_head(scope["headers"])
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if not scope["path"].startswith(STREAMED) and said.isdigit() and int(said[:20]) > self._largest:
            raise self._too_large(said.decode())

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        count = 0

        async def counting() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > self._largest:  # the framework lets this one error pass while it reads a body
                raise HTTPException(TooLarge.status, self._too_large(f"more than {self._largest}").message)
            return message

        await self._app(scope, counting, send)

    def _too_large(self, said: str) -> TooLarge:
        return TooLarge(f"A body of {said} bytes: at most {self._largest} are taken.")


def _answer(scope: Scope, error: PenstockError) -> Response:
    return answer(Request(scope), error.status, error.message, error.code, error.hint, {"Connection": "close"})
