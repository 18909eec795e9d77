"""``/uploads/{id}``: resumable uploads as in https://tus.io/protocols/resumable-upload, version 1.0.0.

Core, creation, creation-with-upload, checksum, expiration and termination. A workload's create declares its uploads and
hands out their addresses; a client that knows tus only finds the address of a declared one by a creation here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from email.utils import formatdate
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.requests import ClientDisconnect

from penstock.access.api import allow
from penstock.access.models import Principal
from penstock.clock import MICROSECONDS
from penstock.errors import InvalidInput, UnsupportedMedia, UnsupportedVersion
from penstock.services import Services, services
from penstock.uploads.checksums import ALGORITHMS, read_checksum
from penstock.uploads.metadata import read_claim
from penstock.uploads.models import Upload

VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
EXTENSIONS = "creation,creation-with-upload,checksum,expiration,termination"
router = APIRouter(prefix="/uploads", tags=["uploads"])
Inside = Annotated[Services, Depends(services)]


def _speaks_tus(
    caller: Annotated[Principal, Depends(allow("workloads"))], tus_resumable: Annotated[str, Header()] = ""
) -> Principal:
    if tus_resumable != VERSION:
        raise UnsupportedVersion(
            f"Tus-Resumable is {tus_resumable!r}.", hint=f"Send {VERSION}.", headers={"Tus-Version": VERSION}
        )
    return caller


Caller = Annotated[Principal, Depends(_speaks_tus)]


async def _upload(upload: str, inside: Inside, caller: Caller) -> Upload:
    return await inside.uploads.get(caller.owner, upload)


Wanted = Annotated[Upload, Depends(_upload)]


@router.options("", status_code=204)
@router.options("/{upload}", status_code=204)
def describe(inside: Inside) -> Response:
    """What this server can do."""
    return Response(
        status_code=204,
        headers={
            "Tus-Resumable": VERSION,
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
            "Tus-Max-Size": str(inside.settings.largest_upload),
        },
    )


@router.post("", status_code=201)
async def create(
    caller: Caller,
    inside: Inside,
    request: Request,
    content_type: Annotated[str, Header()] = "",
    content_length: Annotated[int | None, Header()] = None,
    upload_length: Annotated[str, Header()] = "",
    upload_metadata: Annotated[str, Header()] = "",
    upload_checksum: Annotated[str, Header()] = "",
) -> Response:
    """The address of a declared upload; a body is its beginning."""
    claim = read_claim(upload_metadata)
    upload = await inside.uploads.claim(caller.owner, claim, _number("Upload-Length", upload_length))
    offset = await inside.uploads.offset(upload)
    if content_type == OFFSET_TYPE and content_length != 0:
        checksum = read_checksum(upload_checksum)
        offset = await inside.uploads.receive(upload, 0, content_length, _body(request), checksum)
    headers = {**_headers(inside, upload, offset), "Location": f"/uploads/{upload.id}"}
    return Response(status_code=201, headers=headers)


@router.head("/{upload}")
async def where(upload: Wanted, inside: Inside) -> Response:
    """How many bytes are durable, and how many were declared."""
    headers = _headers(inside, upload, await inside.uploads.offset(upload))
    return Response(headers={**headers, "Upload-Length": str(upload.size), "Cache-Control": "no-store"})


@router.patch("/{upload}", status_code=204)
async def receive(
    upload: Wanted,
    inside: Inside,
    request: Request,
    content_type: Annotated[str, Header()] = "",
    upload_offset: Annotated[str, Header()] = "",
    content_length: Annotated[int | None, Header()] = None,
    upload_checksum: Annotated[str, Header()] = "",
) -> Response:
    """Append the body at the current offset."""
    if content_type != OFFSET_TYPE:
        raise UnsupportedMedia(f"The content type is {content_type!r}.", hint=f"Send {OFFSET_TYPE}.")
    start, checksum = _number("Upload-Offset", upload_offset), read_checksum(upload_checksum)
    offset = await inside.uploads.receive(upload, start, content_length, _body(request), checksum)
    return Response(status_code=204, headers=_headers(inside, upload, offset))


@router.delete("/{upload}", status_code=204)
async def terminate(upload: Wanted, inside: Inside) -> Response:
    """Give the upload, and with it its workload, up."""
    await inside.uploads.terminate(upload)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


def _headers(inside: Services, upload: Upload, offset: int) -> dict[str, str]:
    headers = {"Tus-Resumable": VERSION, "Upload-Offset": str(offset)}
    expires_us = inside.uploads.expires_us(upload)
    if expires_us is not None and offset < upload.size:
        headers["Upload-Expires"] = formatdate(expires_us / MICROSECONDS, usegmt=True)
    return headers


def _number(header: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InvalidInput(f"{header} is {text[:40]!r}.", hint="Send a number of bytes.")
    return int(text)


async def _body(request: Request) -> AsyncIterator[bytes]:
    with suppress(ClientDisconnect):  # a cut connection is what resumable uploads are for: the body just ends early
        async for part in request.stream():
            yield part
