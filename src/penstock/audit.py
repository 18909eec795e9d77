"""The audit log: who did what, one JSON object a line in ``<data>/audit.jsonl`` (docs/metrics.md).

Every request that changes something is in it, and every one that was refused for its credentials; reading is not, nor
are the many calls of agents and the pieces of uploads. Neither secrets nor what users send is ever written.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.clock import iso, now_us

READING = frozenset({"GET", "HEAD", "OPTIONS"})
FREQUENT = ("/agent/v1/lease", "/agent/v1/renew", "/agent/v1/report")
REFUSED = frozenset({401, 403})
LONGEST_PATH = 512
AUDIT_LOG = "audit.jsonl"


class AuditLog:
    """Appends entries; a log that was rotated away is begun anew."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._handler = logging.handlers.WatchedFileHandler(file, delay=True, encoding="utf-8")

    def write(self, who: Mapping[str, object], what: str, **more: object) -> None:
        """``who`` has owner and token; ``what`` is the request, or the operator's command."""
        entry = {"at": iso(now_us()), **who, "what": what, **more}
        text = json.dumps({name: value for name, value in entry.items() if value is not None})
        self._handler.emit(logging.LogRecord("audit", logging.INFO, "", 0, text, None, None))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class Audit:
    """ASGI middleware that writes the entries of requests. Handlers tell what they made by ``note``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and write its entry when the answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and noteworthy(scope, message["status"]):
                _write(scope, message["status"])
            await send(message)

        await self._app(scope, receive, watched)


def noteworthy(scope: Scope, status: int) -> bool:
    """Whether the request is one that the log holds."""
    if status in REFUSED:
        return True
    return scope["method"] not in READING and scope["method"] != "PATCH" and scope["path"] not in FREQUENT


def note(state: Any, **made: object) -> None:  # noqa: ANN401 - starlette's State has no type of its own
    """Let the entry of this request say what it made."""
    state.audit = made


def _write(scope: Scope, status: int) -> None:
    log: AuditLog | None = getattr(scope["app"].state, "audit", None)
    if log is not None:
        state = scope.get("state", {})
        address = (scope.get("client") or (None,))[0]
        what = f"{scope['method']} {scope['path'][:LONGEST_PATH]}"
        log.write(state.get("who", {}), what, status=status, address=address, **state.get("audit", {}))
