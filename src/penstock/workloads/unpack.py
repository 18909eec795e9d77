"""Unpacks a bundle: a plain tar that holds exactly the declared files, each as ``<role>/<name>``; or one that was put
into the drop box, whose names its manifest declares.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from penstock.errors import InvalidInput
from penstock.workloads.halt import Halt, digest
from penstock.workloads.models import InputFile
from penstock.workloads.places import FILE_MODE, Places, member_path

LARGEST_HEADER = 1 << 20
ARRIVING = ".arriving"  # the name of a file while it is written


class Bounded:
    """A file that refuses to hand out much at once: tarfile reads a whole extended header into memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size > LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._file.read(size)

    def seek(self, offset: int) -> int:
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()


def plain_name(name: str) -> str:
    """An entry's name as tar writes it for ``tar cf x.tar .`` and for ``tar cf x.tar NAME`` alike."""
    return name.removeprefix("./") or "."


def unpack(
    bundle: Path,
    declared: Mapping[str, InputFile],
    folder: Path,
    places: Places,
    halt: Halt,
    manifest: str | None = None,
) -> None:
    """Put every declared member below ``folder``; InvalidInput names what does not belong there, or is missing.

    Nothing but the content of plain files is taken: where it goes, and its mode, come from what was declared. So there
    is nothing left to do for tarfile's data filter (which Debian 12's Python 3.11.2 does not have). A member appears
    under its name only after its size and digest were checked; the caller makes it durable. ``manifest`` is the name of
    a drop's own, which was read before.
    """
    seen: set[str] = set()
    folders = {str(parent) for member in declared for parent in PurePosixPath(member).parents} - {"."}
    besides = {manifest, "."} if manifest else set()
    with (
        bundle.open("rb") as file,
        readable(),
        tarfile.open(fileobj=cast("BinaryIO", Bounded(file)), mode="r:") as archive,
    ):
        for count, member in enumerate(archive):
            halt.check()
            if count >= len(declared) + len(folders) + len(besides):
                raise InvalidInput("The bundle has more entries than files were declared.")
            if manifest:
                member.name = plain_name(member.name)
            if member.name in besides or (member.isdir() and member.name in folders):
                continue
            wanted = _wanted(member, declared, seen)
            _write(archive, member, wanted, member_path(folder, wanted.member), places, halt)
    missing = sorted(declared.keys() - seen)
    if missing:
        raise InvalidInput(f"The bundle lacks {len(missing)} of {len(declared)} files, the first is {missing[0]!r}.")


@contextmanager
def readable() -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise InvalidInput(
            f"The bundle cannot be read as a tar: {error}.", hint="Send a plain, uncompressed, whole tar."
        ) from error


def _wanted(member: tarfile.TarInfo, declared: Mapping[str, InputFile], seen: set[str]) -> InputFile:
    shown = f"The bundle's entry {member.name[:200]!r}"
    wanted = declared.get(member.name)
    if wanted is None:
        raise InvalidInput(f"{shown} was not declared.", hint="Declare each file, and pack it as <role>/<name>.")
    if member.name in seen:
        raise InvalidInput(f"{shown} is there twice.")
    if not member.isreg() or member.issparse():
        raise InvalidInput(
            f"{shown} is not a plain file.", hint="Links, devices, folders and sparse files do not work."
        )
    if member.size != wanted.size:
        raise InvalidInput(f"{shown} has {member.size} bytes, {wanted.size} were declared.")
    seen.add(member.name)
    return wanted


def _write(
    archive: tarfile.TarFile, member: tarfile.TarInfo, wanted: InputFile, target: Path, places: Places, halt: Halt
) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise InvalidInput(f"The bundle's entry {member.name!r} has no content.")
    places.make(target.parent)
    beside = target.parent.parent / ARRIVING
    with source, beside.open("wb") as file:
        found, size = digest(cast("BinaryIO", source), halt, file)
    if size != wanted.size:
        raise InvalidInput(f"The bundle ends in the middle of {member.name!r}.")
    if found != wanted.sha256:
        raise InvalidInput(f"The SHA-256 of {member.name!r} is {found}, {wanted.sha256} was declared.")
    beside.chmod(FILE_MODE)
    beside.replace(target)
