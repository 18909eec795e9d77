"""``/uploads/{id}``: resumable uploads as in https://tus.io/protocols/resumable-upload, version 1.0.0.

Core, termination and expiration. An upload is made by its workload's create, so there is no POST here yet.
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
from penstock.uploads.models import Upload

VERSION = "1.0.0"
OFFSET_TYPE = "application/offset+octet-stream"
router = APIRouter(prefix="/uploads", tags=["uploads"])
Inside = Annotated[Services, Depends(services)]


async def _upload(
    upload: str,
    inside: Inside,
    caller: Annotated[Principal, Depends(allow("workloads"))],
    tus_resumable: Annotated[str, Header()] = "",
) -> Upload:
    if tus_resumable != VERSION:
        raise UnsupportedVersion(
            f"Tus-Resumable is {tus_resumable!r}.", hint=f"Send {VERSION}.", headers={"Tus-Version": VERSION}
        )
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
            "Tus-Extension": "termination,expiration",
            "Tus-Max-Size": str(inside.settings.largest_upload),
        },
    )


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
) -> Response:
    """Append the body at the current offset."""
    if content_type != OFFSET_TYPE:
        raise UnsupportedMedia(f"The content type is {content_type!r}.", hint=f"Send {OFFSET_TYPE}.")
    if not (upload_offset.isascii() and upload_offset.isdecimal()):
        raise InvalidInput(f"Upload-Offset is {upload_offset!r}.", hint="Send the number of bytes that are there.")
    offset = await inside.uploads.receive(upload, int(upload_offset), content_length, _body(request))
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


async def _body(request: Request) -> AsyncIterator[bytes]:
    with suppress(ClientDisconnect):  # a cut connection is what resumable uploads are for: the body just ends early
        async for part in request.stream():
            yield part
