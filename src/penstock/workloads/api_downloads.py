"""``/download/{id}/…``: results under their workload's account, or their owner's token."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import zstandard
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse

from penstock.errors import NotAuthenticated
from penstock.services import Services, services
from penstock.workloads.downloads import Download
from penstock.workloads.listing import listing_document, listing_page
from penstock.workloads.models import Link, Workload
from penstock.workloads.results import ARCHIVE

router = APIRouter(prefix="/download", tags=["downloads"])
Inside = Annotated[Services, Depends(services)]
TOKENS = ("pst_", "psa_")  # where basic auth is all that a client knows, its password may be a token
# Results may be pages or pictures that somebody else wrote: shown, but never run, under this address.
SAFE_HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def _opened(workload: str, request: Request, inside: Inside) -> Workload:
    """The workload whose account, or whose owner's token, came with the request."""
    workload = await inside.workloads.drops.resolve(workload)
    link = _link(request)
    if link is not None:
        return await inside.workloads.downloads.by_link(workload, link)
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    name, secret = _basic(value) if scheme.lower() == "basic" else ("", "")
    if scheme.lower() == "basic" and not secret.startswith(TOKENS):
        return await inside.workloads.downloads.by_account(workload, name, secret)
    try:
        principal = await inside.access.principal(secret or value.strip() or None)
    except NotAuthenticated:
        await inside.workloads.downloads.refuse(workload)
        raise
    if not principal.may("workloads"):
        await inside.workloads.downloads.refuse(workload)
    return await inside.workloads.downloads.by_owner(workload, principal.owner)


Opened = Annotated[Workload, Depends(_opened)]


@router.head("/{workload}/", include_in_schema=False)
@router.get("/{workload}/")
async def listing(opened: Opened, request: Request) -> Response:
    """What there is to download: a page for people, JSON for programs."""
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(listing_page(opened), headers=SAFE_HEADERS)
    return JSONResponse(listing_document(opened), headers=SAFE_HEADERS)


@router.delete("/{workload}/", status_code=204)
async def acknowledge(opened: Opened, inside: Inside) -> Response:
    """For who used the drop box and has no token: have everything removed."""
    await inside.workloads.acknowledge_drop(opened)
    return Response(status_code=204)


@router.get("/{workload}/results.tar")
async def plain_archive(opened: Opened, inside: Inside) -> Response:
    """All results as one plain tar, for who has no zstd: unpacked on the way, so without size and ranges."""
    found = await inside.workloads.downloads.find(opened, ARCHIVE)
    return StreamingResponse(_decompressed(found.path), headers=SAFE_HEADERS, media_type="application/x-tar")


@router.head("/{workload}/{path:path}", include_in_schema=False)
@router.get("/{workload}/{path:path}")
async def download(path: str, opened: Opened, inside: Inside) -> Response:
    """One file, with ranges."""
    found = await inside.workloads.downloads.find(opened, path)
    if inside.settings.sendfile == "nginx":
        return _by_nginx(found)
    return SentFile(found)


class SentFile(FileResponse):
    """A file that the application sends itself; its ETag is its digest where that is known."""

    chunk_size = 1 << 20

    def __init__(self, found: Download) -> None:
        self._sha256 = found.sha256
        super().__init__(found.path, headers=SAFE_HEADERS, media_type=found.media_type, stat_result=found.stat)

    def set_stat_headers(self, stat_result: os.stat_result) -> None:
        """As the base class does it, without its MD5."""
        self.headers.setdefault("content-length", str(stat_result.st_size))
        self.headers.setdefault("last-modified", formatdate(stat_result.st_mtime, usegmt=True))
        tag = self._sha256 or f"{stat_result.st_mtime_ns:x}-{stat_result.st_size:x}"
        self.headers.setdefault("etag", f'"{tag}"')


def _link(request: Request) -> Link | None:
    """The signed link that a request came by; who sends credentials is judged by these."""
    signature, expires = request.query_params.get("signature"), request.query_params.get("expires", "")
    if signature is None or "authorization" in request.headers:
        return None
    seconds = int(expires) if expires.isascii() and expires.isdecimal() and len(expires) <= 12 else 0
    return Link(request.path_params.get("path", ""), seconds, signature)


def _by_nginx(found: Download) -> Response:
    path = f"/internal/results/{found.owner}/{found.workload}/{quote(found.relative)}"
    return Response(headers={**SAFE_HEADERS, "X-Accel-Redirect": path}, media_type=found.media_type)


def _decompressed(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from zstandard.ZstdDecompressor().read_to_iter(file, write_size=1 << 20)


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret
