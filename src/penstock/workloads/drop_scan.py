"""Looks through a tar that was put into the drop box: what is in it, and whether all of it may be. Blocks."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from penstock.errors import InvalidInput
from penstock.names import check_relative_path
from penstock.workloads.drop_manifest import DEEPEST, LARGEST_MANIFEST, MANIFEST, DropManifest, read_manifest
from penstock.workloads.halt import PIECE_BYTES, Halt, digest
from penstock.workloads.models import MOST_INPUTS, GivenInput, Submission
from penstock.workloads.unpack import Bounded, plain_name, readable

MOST_ENTRIES = 2 * MOST_INPUTS  # files, and folders that they are in


@dataclass(frozen=True)
class Member:
    """A plain file of the tar."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Dropped:
    """What a tar asks for: a submission, and for each of its inputs the file of the tar that it is."""

    manifest: DropManifest
    submission: Submission
    sources: tuple[str, ...]
    sha256: str
    size: int


def scan(path: Path, halt: Halt) -> Dropped:
    """What the tar at ``path`` asks for; InvalidInput names the entry, or the place in workload.yml, that is wrong."""
    members: dict[str, Member] = {}
    manifest: DropManifest | None = None
    with path.open("rb") as file, readable(), tarfile.open(fileobj=cast("BinaryIO", Bounded(file)), mode="r:") as tar:
        for count, entry in enumerate(tar):
            halt.check()
            if count >= MOST_ENTRIES:
                raise InvalidInput(f"The tar has more than {MOST_ENTRIES} entries.")
            name = _check(entry, members, seen_manifest=manifest is not None)
            if entry.isdir():
                continue
            if name == MANIFEST:
                manifest = _manifest(tar, entry)
            else:
                members[name] = _member(tar, entry, halt)
        _check_rest(file, tar.offset)
    if manifest is None:
        raise InvalidInput(f"The tar has no {MANIFEST}.", hint="Put it at the top: tar cf x.tar workload.yml FILES…")
    with path.open("rb") as file:
        sha256, size = digest(file, halt)
    return _dropped(manifest, members, sha256, size)


def _check(entry: tarfile.TarInfo, members: dict[str, Member], *, seen_manifest: bool) -> str:
    name = plain_name(entry.name)
    shown = f"The tar's entry {entry.name[:200]!a}"
    try:
        deep = 0 if entry.isdir() and name == "." else len(check_relative_path(name).parts)
    except InvalidInput as error:
        raise InvalidInput(f"{shown} has a name that is not allowed: {error.message}") from error
    if deep > DEEPEST:
        raise InvalidInput(f"{shown} lies more than {DEEPEST} folders deep.")
    if not (entry.isdir() or entry.isreg()) or entry.issparse():
        raise InvalidInput(f"{shown} is not a plain file.", hint="Links, devices, pipes and sparse files do not work.")
    if name in members or (name == MANIFEST and seen_manifest):
        raise InvalidInput(f"{shown} is there twice.")
    return name


def _manifest(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> DropManifest:
    if entry.size > LARGEST_MANIFEST:
        raise InvalidInput(f"{MANIFEST} has {entry.size} bytes.", hint=f"At most {LARGEST_MANIFEST} work.")
    source = tar.extractfile(entry)
    return read_manifest(source.read() if source else b"")


def _member(tar: tarfile.TarFile, entry: tarfile.TarInfo, halt: Halt) -> Member:
    source = tar.extractfile(entry)
    if source is None:
        raise InvalidInput(f"The tar's entry {entry.name[:200]!a} has no content.")
    with source:
        sha256, size = digest(cast("BinaryIO", source), halt)
    if size != entry.size:
        raise InvalidInput(f"The tar ends in the middle of {entry.name[:200]!a}.")
    return Member(size, sha256)


def _check_rest(file: BinaryIO, end: int) -> None:
    """After the last entry there are zeros: tarfile takes any damage there for the end."""
    file.seek(end)
    while piece := file.read(PIECE_BYTES):
        if piece.strip(b"\0"):
            raise InvalidInput("The tar goes on with something that is no entry.", hint="Send a plain, whole tar.")


def _dropped(manifest: DropManifest, members: dict[str, Member], sha256: str, size: int) -> Dropped:
    wanted = [(role, file) for role, files in manifest.inputs.items() for file in files]
    named = {file for _, file in wanted}
    if missing := sorted(named - members.keys()):
        raise InvalidInput(f"{MANIFEST} names {missing[0][:200]!a}, which is not in the tar.")
    if unnamed := sorted(members.keys() - named):
        raise InvalidInput(f"The tar's entry {unnamed[0][:200]!a} is not named in {MANIFEST}.")
    inputs = [
        GivenInput(role=role, name=file.rpartition("/")[2], size=members[file].size, sha256=members[file].sha256)
        for role, file in wanted
    ]
    submission = Submission(
        pipeline=manifest.pipeline,
        version=manifest.version,
        parameters=manifest.parameters,
        inputs=inputs,
        name=manifest.name,
    )
    return Dropped(manifest, submission, tuple(file for _, file in wanted), sha256, size)
