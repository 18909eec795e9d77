"""From a submission to a plan: everything that can be wrong about a request is found here, before anything is made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from penstock.errors import InvalidInput, TooLarge
from penstock.names import check_relative_path
from penstock.pipelines.models import Pipeline
from penstock.pipelines.service import check_inputs, check_parameters
from penstock.staging.urls import WEB, is_remote, remote, scheme_of
from penstock.workloads.delivery import check_destination
from penstock.workloads.models import BUNDLE_NAME, BUNDLE_ROLE, MOST_INPUTS, GivenInput, InputFile, Submission

_SHA256 = re.compile(r"[0-9a-f]{64}")
_OWN_DATA = re.compile(r"file:///workspace/owners/([^/]+)/data/(.+)")


@dataclass(frozen=True)
class PlannedUpload:
    """A file that will be sent."""

    role: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Plan:
    """A submission that fits its pipeline. ``unpacked_bytes`` is what the bundle, if there is one, holds."""

    inputs: tuple[InputFile, ...]
    uploads: tuple[PlannedUpload, ...]
    parameters: dict[str, Any]
    unpacked_bytes: int = 0


def plan(submission: Submission, pipeline: Pipeline, owner: str, largest_upload: int) -> Plan:
    """Check a submission; InvalidInput, InvalidParameter or TooLarge name what is wrong and what would be right."""
    if len(submission.inputs) > MOST_INPUTS:
        raise InvalidInput(f"The workload has {len(submission.inputs)} inputs.", hint=f"At most {MOST_INPUTS} work.")
    if submission.results_to is not None:
        check_destination(submission.results_to)
    inputs = tuple(_input(given, owner, largest_upload) for given in submission.inputs)
    _check_distinct(inputs)
    check_inputs(pipeline, [(one.role, one.name) for one in inputs])
    parameters = check_parameters(pipeline.definition.parameters, submission.parameters)
    files = tuple(
        PlannedUpload(one.role, one.name, one.size, one.sha256)
        for one in inputs
        if one.size is not None and one.sha256 is not None
    )
    if submission.bundle is None:
        return Plan(inputs, files, parameters)
    if not files:
        raise InvalidInput("There is a bundle, but no input is declared that it could hold.")
    _check_size(BUNDLE_NAME, submission.bundle.size, largest_upload)
    bundle = PlannedUpload(
        BUNDLE_ROLE, BUNDLE_NAME, submission.bundle.size, _sha256(BUNDLE_NAME, submission.bundle.sha256)
    )
    return Plan(inputs, (bundle,), parameters, sum(one.size for one in files))


def own_data_path(url: str, owner: str) -> str:
    """The path below the owner's data folder that ``url`` names; InvalidInput if it names anything else."""
    match = _OWN_DATA.fullmatch(url)
    if match is None:
        raise InvalidInput(
            f"{url!r} cannot be an input.",
            hint=f"Upload the file, or use s3://…, ftp://…, https://… or file:///workspace/owners/{owner}/data/….",
        )
    if match[1] != owner:
        raise InvalidInput(f"{url!r} is not yours.", hint=f"Use file:///workspace/owners/{owner}/data/….")
    return str(check_relative_path(match[2]))


def _input(given: GivenInput, owner: str, largest_upload: int) -> InputFile:
    if given.url is not None:
        if given.size is not None or given.sha256 is not None:
            raise InvalidInput(
                f"The input {given.url!r} has a size or sha256.", hint="Give a URL, or a file to upload."
            )
        name = given.name or _last_part(given.url, owner)
        if not is_remote(given.url):  # those are fetched when the workload is prepared
            own_data_path(given.url, owner)
        return InputFile(role=given.role, name=_name(name), url=given.url)
    if given.name is None or given.size is None or given.sha256 is None:
        raise InvalidInput(
            f"An input of role {given.role!r} is not complete.", hint="Give name, size and sha256, or a url."
        )
    name = _name(given.name)
    _check_size(name, given.size, largest_upload)
    return InputFile(role=given.role, name=name, size=given.size, sha256=_sha256(name, given.sha256))


def _last_part(url: str, owner: str) -> str:
    if is_remote(url):
        path = remote(url).path
        return unquote(urlsplit(url).path.rpartition("/")[2]) if scheme_of(url) in WEB else path.rpartition("/")[2]
    return own_data_path(url, owner).rpartition("/")[2]


def _name(name: str) -> str:
    if len(check_relative_path(name).parts) != 1:
        raise InvalidInput(f"{name!r} is not a file name.", hint="Give the name without its folder.")
    return name


def _check_distinct(inputs: Iterable[InputFile]) -> None:
    for member, count in Counter(one.member for one in inputs).items():
        if count > 1:
            raise InvalidInput(f"{count} inputs are called {member!r}.", hint="Give each its own name.")


def _check_size(name: str, size: int, largest: int) -> None:
    if size < 0:
        raise InvalidInput(f"The size of {name!r} is {size}.", hint="Give the number of bytes.")
    if size > largest:
        raise TooLarge(f"{name!r} has {size} bytes.", hint=f"At most {largest} bytes can be uploaded here.")


def _sha256(name: str, text: str) -> str:
    if not _SHA256.fullmatch(text.lower()):
        raise InvalidInput(f"The sha256 of {name!r} is {text[:80]!r}.", hint="Give 64 hexadecimal digits.")
    return text.lower()
