"""What the API shows of a workload. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from penstock.clock import iso
from penstock.tasks.models import Progress
from penstock.workloads.delivery import RULE
from penstock.workloads.interfaces import ReceivedRow, UploadRow
from penstock.workloads.models import BUNDLE_ROLE, State, Workload


class UploadBody(BaseModel):
    """Where a file is to be sent; ``offset`` bytes of it have arrived."""

    role: str
    name: str
    size: int
    url: str
    offset: int = 0


class AccountBody(BaseModel):
    """What opens the downloads; the secret is shown once."""

    name: str
    secret: str


class CreatedBody(BaseModel):
    """The answer to a create; ``token``, for who had none, opens this workload and nothing else."""

    id: str
    state: State
    uploads: list[UploadBody]
    account: AccountBody
    url: str
    download: str
    token: str | None = None


class InputBody(BaseModel):
    """An input; ``received`` counts the bytes that have arrived."""

    role: str
    name: str
    size: int | None
    sha256: str | None
    url: str | None
    received: int


class ResultBody(BaseModel):
    """A file of the results and where to get it."""

    name: str
    size: int
    sha256: str
    url: str


class ShortBody(BaseModel):
    """A workload in a list."""

    id: str
    owner: str
    name: str
    pipeline: str
    version: str
    parameters: dict[str, Any]
    state: State
    reason: str
    sequence: int
    created_at: str
    updated_at: str
    expires_at: str | None
    warned_at: str | None
    bytes: int
    files: int
    results_to: str | None
    results_sent_at: str | None
    url: str
    download: str


class WorkloadBody(ShortBody):
    """A whole workload."""

    inputs: list[InputBody]
    uploads: list[UploadBody]
    progress: Progress
    results: list[ResultBody]


class PageBody(BaseModel):
    """A page of a list."""

    workloads: list[ShortBody]
    next_page_token: str | None = None


class EventBody(BaseModel):
    """One change of state."""

    at: str
    state: State
    reason: str


@dataclass(frozen=True)
class Look:
    """A workload with what the other folders know of it."""

    workload: Workload
    received: Sequence[ReceivedRow]
    progress: Progress
    expires_us: int | None


@dataclass(frozen=True)
class New:
    """A workload that was just created; the secret is nowhere else.

    ``repeated``: an earlier request with the same key has made it, and ``offsets`` (bytes, by the upload's id) have
    arrived since.
    """

    workload: Workload
    uploads: Sequence[UploadRow]
    account: str
    secret: str
    repeated: bool = False
    offsets: Mapping[str, int] = field(default_factory=dict)


def created_body(new: New, base: str, token: str | None = None) -> CreatedBody:
    """``base`` is the server's address, without a slash at its end."""
    workload = new.workload
    return CreatedBody(
        id=workload.id,
        state=workload.state,
        uploads=[_upload(upload, new.offsets.get(upload.id, 0), base) for upload in new.uploads],
        account=AccountBody(name=new.account, secret=new.secret),
        token=token,
        **_links(workload.id, base),
    )


def short_body(workload: Workload, base: str) -> ShortBody:
    """An entry of a list."""
    return ShortBody(**_common(workload, workload.expires_us), **_links(workload.id, base))


def workload_body(look: Look, base: str) -> WorkloadBody:
    """All there is to see."""
    workload = look.workload
    offsets = {(one.upload.role, one.upload.name): one.offset for one in look.received}
    files = f"{base}/download/{workload.id}/files"
    return WorkloadBody(
        **_common(workload, look.expires_us),
        **_links(workload.id, base),
        inputs=[_input(workload, index, offsets) for index in range(len(workload.inputs))],
        uploads=[_upload(one.upload, one.offset, base) for one in look.received],
        progress=_with_delivery(look.progress),
        results=[
            ResultBody(name=one.name, size=one.size, sha256=one.sha256, url=f"{files}/{quote(one.name)}")
            for one in workload.results
        ],
    )


def _with_delivery(progress: Progress) -> Progress:
    """The engine, which says how many processes there will be, does not know of the task that sends the results."""
    more = progress.rules.get(RULE, {}).get("total", 0)
    return progress if progress.total is None else progress.model_copy(update={"total": progress.total + more})


def _input(workload: Workload, index: int, offsets: Mapping[tuple[str, str], int]) -> InputBody:
    given = workload.inputs[index]
    bundled = any(role == BUNDLE_ROLE for role, _ in offsets)
    unpacked = workload.state is not State.UPLOADING
    received = (given.size or 0) if unpacked else 0 if bundled else offsets.get((given.role, given.name), 0)
    return InputBody(**given.model_dump(), received=received)


def _upload(upload: UploadRow, offset: int, base: str) -> UploadBody:
    return UploadBody(
        role=upload.role, name=upload.name, size=upload.size, url=f"{base}/uploads/{upload.id}", offset=offset
    )


def _links(workload: str, base: str) -> dict[str, str]:
    return {"url": f"{base}/api/v1/workloads/{workload}", "download": f"{base}/download/{workload}/"}


def _common(workload: Workload, expires_us: int | None) -> dict[str, Any]:
    names = (
        "id",
        "owner",
        "name",
        "pipeline",
        "version",
        "parameters",
        "state",
        "reason",
        "sequence",
        "bytes",
        "files",
        "results_to",
    )
    return {
        **{name: getattr(workload, name) for name in names},
        "created_at": iso(workload.created_us),
        "updated_at": iso(workload.updated_us),
        "expires_at": None if expires_us is None else iso(expires_us),
        "warned_at": None if workload.warned_us is None else iso(workload.warned_us),
        "results_sent_at": None if workload.sent_us is None else iso(workload.sent_us),
    }
