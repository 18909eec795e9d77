"""Intake: turns finished uploads into a workload's inputs. Everything here blocks and can be done again after a kill.

A file that is at its place below ``inputs/`` was checked before it was put there, by rename.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.errors import InvalidInput, NotFound, Unreachable
from penstock.pipelines.models import Pipeline
from penstock.staging.urls import shown
from penstock.workloads.create import own_data_path
from penstock.workloads.drop_manifest import MANIFEST
from penstock.workloads.halt import Halt, digest
from penstock.workloads.models import BUNDLE_ROLE, InputFile, Workload
from penstock.workloads.places import FILE_MODE, Places, member_path, remove_tree, sync, sync_tree, write_durably
from penstock.workloads.unpack import ARRIVING, unpack

Fetch = Callable[[str, Path], object]  # from a URL into a file that is not there yet


@dataclass(frozen=True)
class Arrived:
    """A complete upload; ``path`` is gone where an earlier try has used it up."""

    role: str
    name: str
    sha256: str
    path: Path


def take_in(places: Places, workload: Workload, arrived: Sequence[Arrived], halt: Halt, fetch: Fetch) -> None:
    """Fill ``inputs/``; InvalidInput names the file that is not what was declared, or cannot be fetched."""
    folder = places.make(places.inputs(workload.id))
    for one in arrived:
        halt.check()
        if one.role == BUNDLE_ROLE:
            _take_bundle(places, workload, one, halt)
        else:
            _take_file(places, one, member_path(folder, f"{one.role}/{one.name}"), halt)
    for given in workload.inputs:
        if given.url is not None and given.remote:
            halt.check()
            _take_remote(places, given.url, member_path(folder, given.member), fetch)
        elif given.url is not None:
            halt.check()
            _take_own(places, workload.owner, given, member_path(folder, given.member))
    for role in {given.role for given in workload.inputs}:
        sync(folder / role)
    sync(folder)


def copy_pipeline(places: Places, workload: str, pipeline: Pipeline) -> None:
    """Give the workload its own copy of the pipeline, which pins its version."""
    target = places.pipeline(workload)
    if target.is_dir():
        return
    beside = target.with_name(".pipeline.new")
    remove_tree(beside)
    places.make(beside)
    for relative in pipeline.files():
        copy = beside / relative
        places.make(copy.parent)
        shutil.copy(pipeline.folder / relative, copy)
    beside.replace(target)


def write_config(
    places: Places, workload: str, inputs: dict[str, list[str]], parameters: dict[str, Any], site: dict[str, float]
) -> None:
    """Write what the engine reads: inputs by role, all parameters, what the site has."""
    document = {"inputs": inputs, "parameters": parameters, "site": site}
    work = places.make(places.work(workload))
    write_durably(work / "config.json", json.dumps(document, indent=2).encode() + b"\n")


def input_digests(places: Places, workload: Workload, halt: Halt) -> dict[str, str]:
    """SHA-256 of every input by ``<role>/<name>``: what was sent was checked, what was fetched is read now."""
    digests = {}
    for given in workload.inputs:
        path = member_path(places.inputs(workload.id), given.member)
        if given.sha256 is not None:
            digests[given.member] = given.sha256
        elif path.is_file():
            with path.open("rb") as file:
                digests[given.member], _ = digest(file, halt)
    return digests


def check_own_data(places: Places, owner: str, url: str) -> None:
    """InvalidInput unless ``url`` is a plain file of the owner's, reached without a link."""
    folder, name = _open_folder(places.data(owner), own_data_path(url, owner), url)
    try:
        _check_plain(folder, name, url)
    finally:
        os.close(folder)


def _take_file(places: Places, one: Arrived, target: Path, halt: Halt) -> None:
    if not target.is_file():
        _check_digest(one, halt)
        places.make(target.parent)
        one.path.chmod(FILE_MODE)
        one.path.replace(target)


def _take_bundle(places: Places, workload: Workload, bundle: Arrived, halt: Halt) -> None:
    declared = {given.source or given.member: given for given in workload.inputs if given.url is None}
    folder = places.inputs(workload.id)
    if not bundle.path.exists() and all(member_path(folder, one.member).is_file() for one in declared.values()):
        return  # an earlier try was killed right after it
    _check_digest(bundle, halt)
    dropped = any(given.source for given in declared.values())
    unpack(bundle.path, declared, folder, places, halt, MANIFEST if dropped else None)
    (folder / ARRIVING).unlink(missing_ok=True)
    sync_tree(folder, len(declared))
    bundle.path.unlink()  # only now: until then a second try unpacks it all again


def _take_remote(places: Places, url: str, target: Path, fetch: Fetch) -> None:
    if target.is_file():
        return
    places.make(target.parent)
    beside = target.parent.parent / ARRIVING
    beside.unlink(missing_ok=True)
    try:
        fetch(url, beside)
    except Unreachable as error:  # it was tried again and again: to the workload this is final
        raise InvalidInput(
            f"{shown(url)} could not be fetched: {error.message}", hint="Submit it again later."
        ) from error
    beside.chmod(FILE_MODE)
    sync(beside)
    beside.replace(target)


def _check_digest(one: Arrived, halt: Halt) -> None:
    if not one.path.exists():
        one.path.touch()  # an upload of no bytes has no file
    with one.path.open("rb") as file:
        found, _ = digest(file, halt)
    if found != one.sha256:
        raise InvalidInput(
            f"The SHA-256 of {one.name!r} is {found}, {one.sha256} was declared.",
            hint="The file changed while it was read or sent; submit it again.",
        )


def _take_own(places: Places, owner: str, given: InputFile, target: Path) -> None:
    if target.is_file() or given.url is None:
        return
    places.make(target.parent)
    beside = target.parent.parent / ARRIVING
    with suppress(FileNotFoundError):
        beside.unlink()
    folder, name = _open_folder(places.data(owner), own_data_path(given.url, owner), given.url)
    try:
        _check_plain(folder, name, given.url)
        _link_or_copy(folder, name, beside)
    finally:
        os.close(folder)
    if not stat.S_ISREG(beside.lstat().st_mode):  # it was exchanged between look and link
        beside.unlink()
        raise _not_plain(given.url)
    beside.replace(target)


def _link_or_copy(folder: int, name: str, target: Path) -> None:
    try:
        os.link(name, target, src_dir_fd=folder, follow_symlinks=False)
    except OSError:  # another file system, too many links, or one that has none
        source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
        with os.fdopen(source, "rb") as reader, target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, 1 << 20)
        sync(target)


def _open_folder(root: Path, relative: str, url: str) -> tuple[int, str]:
    """The folder that ``relative`` lies in, opened step by step so that no link is ever followed, and the last name."""
    *folders, name = PurePosixPath(relative).parts
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        at = os.open(root, flags)
        for folder in folders:
            try:
                inner = os.open(folder, flags, dir_fd=at)
            finally:
                os.close(at)
            at = inner
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {url!r}.") from error
    except OSError as error:
        raise _not_plain(url) from error
    return at, name


def _check_plain(folder: int, name: str, url: str) -> None:
    try:
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {url!r}.") from error
    if not stat.S_ISREG(mode):
        raise _not_plain(url)


def _not_plain(url: str) -> InvalidInput:
    return InvalidInput(f"{url!r} is not a plain file, or is reached through a link.")
