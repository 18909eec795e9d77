"""The one place where errors become answers: TES's own shape on its routes, RFC 9457 problem details elsewhere."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from penstock.errors import InvalidInput, NotFound, PenstockError, TooLarge
from penstock.tes.api import PREFIXES

log = structlog.get_logger(__name__)
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="penstock"'}
LONGEST_VALUE = 200
CODES = {one.status: one.code for one in (NotFound, TooLarge)}


def install(app: FastAPI) -> None:
    """Let every error of ``app`` be answered here."""
    app.add_exception_handler(PenstockError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PenstockError)  # noqa: S101 - it is registered for this class
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("request failed", path=request.url.path, code=error.code, reason=error.message)
    headers = {**(CHALLENGE if error.status == HTTPStatus.UNAUTHORIZED else {}), **error.headers}
    return answer(request, error.status, error.message, error.code, error.hint, headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - it is registered for this class
    told = "; ".join(_one(one) for one in error.errors()[:5])
    return answer(request, HTTPStatus.BAD_REQUEST, told, InvalidInput.code)


def _one(error: dict[str, object]) -> str:
    place = ".".join(str(part) for part in error["loc"] if part != "body")  # type: ignore[attr-defined]
    got = ascii(error.get("input"))
    shown = got if len(got) <= LONGEST_VALUE else f"{got[:LONGEST_VALUE]}…"
    return f"{place or 'body'}: {error['msg']}" + ("" if error["type"] == "missing" else f" (got {shown})")


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for this class
    missing = error.status_code == HTTPStatus.NOT_FOUND
    detail = f"There is nothing at {request.url.path!r}." if missing else str(error.detail)
    code = CODES.get(error.status_code, InvalidInput.code)
    return answer(request, error.status_code, detail, code, headers=dict(error.headers or {}))


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error", path=request.url.path, exc_info=error)
    return answer(
        request, HTTPStatus.INTERNAL_SERVER_ERROR, "The server made a mistake; its log says more.", "internal"
    )


def answer(
    request: Request, status: int, detail: str, code: str, hint: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    """The answer to a request that went wrong, in the shape of the route it was sent to."""
    if any(request.url.path.startswith(f"{prefix}/") for prefix in PREFIXES):
        return JSONResponse({"status_code": status, "msg": f"{detail} {hint}".rstrip()}, status, headers)
    title = HTTPStatus(status).phrase if status in list(HTTPStatus) else code  # tus has a status of its own
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, "hint": hint}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
