"""Unpacking bundles: what is right arrives, what is hostile or broken is named and leaves nothing at a final name."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.errors import InvalidInput
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.models import InputFile
from penstock.workloads.places import Places
from penstock.workloads.unpack import unpack

CONTENTS = {"reads/a.fq": b"@r\nA\n+\nI\n" * 500, "reads/b.fq": b"", "reference/ref.fa": b">c\nACGT\n"}
Change = Callable[[tarfile.TarFile], None]


def declare(contents: dict[str, bytes]) -> dict[str, InputFile]:
    return {
        member: InputFile(
            role=member.split("/")[0],
            name=member.split("/")[1],
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        for member, content in contents.items()
    }


def entry(
    name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, link
    return info, content


def tar(*entries: tuple[tarfile.TarInfo, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=kind) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def good() -> list[tuple[tarfile.TarInfo, bytes]]:
    return [entry(member, content) for member, content in CONTENTS.items()]


def run(tmp_path: Path, archive: bytes, halt: Halt | None = None) -> dict[str, bytes]:
    """Unpack, and say what is there."""
    bundle = tmp_path / "bundle"
    bundle.write_bytes(archive)
    folder = tmp_path / "inputs"
    folder.mkdir(exist_ok=True)
    unpack(bundle, declare(CONTENTS), folder, Places(tmp_path), halt or Halt())
    return placed(folder)


def placed(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent != folder)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_every_usual_kind_of_tar_is_unpacked(tmp_path: Path, kind: int) -> None:
    assert run(tmp_path, tar(*good(), kind=kind)) == CONTENTS


def test_entries_for_the_roles_folders_are_passed_over(tmp_path: Path) -> None:
    folders = [entry(role, kind=tarfile.DIRTYPE) for role in ("reads", "reference")]
    assert run(tmp_path, tar(*folders, *good())) == CONTENTS


def test_modes_and_owners_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    entries = good()
    for info, _ in entries:
        info.mode, info.uid = 0o4777, 12345
    run(tmp_path, tar(*entries))
    status = (tmp_path / "inputs/reads/a.fq").stat()
    assert (status.st_mode & 0o7777, status.st_uid) == (0o640, (tmp_path / "bundle").stat().st_uid)


def test_a_second_try_ends_like_the_first(tmp_path: Path) -> None:
    run(tmp_path, tar(*good()))
    assert run(tmp_path, tar(*good())) == CONTENTS


def test_a_halt_stops_it_between_two_pieces(tmp_path: Path) -> None:
    halt = Halt()
    halt.set()
    with pytest.raises(Halted):
        run(tmp_path, tar(*good()), halt)
    assert placed(tmp_path / "inputs") == {}


LARGE = b"x" * 1000
BAD = {
    "a path that climbs": (entry("../evil.fq", b"x"), "not declared"),
    "a path that climbs inside": (entry("reads/../../evil.fq", b"x"), "not declared"),
    "an absolute path": (entry("/etc/cron.d/evil", b"x"), "not declared"),
    "a declared name with a slash before it": (entry("/reads/a.fq", CONTENTS["reads/a.fq"]), "not declared"),
    "a declared name by a detour": (entry("./reads/a.fq", CONTENTS["reads/a.fq"]), "not declared"),
    "an undeclared file": (entry("reads/c.fq", b"x"), "not declared"),
    "an undeclared folder": (entry("elsewhere", kind=tarfile.DIRTYPE), "not declared"),
    "a symbolic link": (entry("reads/a.fq", kind=tarfile.SYMTYPE, link="/etc/passwd"), "not a plain file"),
    "a hard link": (entry("reads/a.fq", kind=tarfile.LNKTYPE, link="reads/b.fq"), "not a plain file"),
    "a character device": (entry("reads/a.fq", kind=tarfile.CHRTYPE), "not a plain file"),
    "a block device": (entry("reads/a.fq", kind=tarfile.BLKTYPE), "not a plain file"),
    "a named pipe": (entry("reads/a.fq", kind=tarfile.FIFOTYPE), "not a plain file"),
    "a folder instead of a file": (entry("reads/a.fq", kind=tarfile.DIRTYPE), "not a plain file"),
    "a larger file": (entry("reads/a.fq", CONTENTS["reads/a.fq"] + b"x"), "were declared"),
    "a smaller file": (entry("reads/a.fq", b"x"), "were declared"),
    "another content": (entry("reads/a.fq", CONTENTS["reads/a.fq"][::-1]), "SHA-256"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_entry_is_named_and_never_appears(tmp_path: Path, name: str) -> None:
    bad, told = BAD[name]
    with pytest.raises(InvalidInput, match=told) as caught:
        run(tmp_path, tar(bad, *good()))
    assert bad[0].name in str(caught.value)
    assert placed(tmp_path / "inputs") == {}
    assert not (tmp_path / "evil.fq").exists()


def test_the_same_entry_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="twice"):
        run(tmp_path, tar(*good(), entry("reference/ref.fa", CONTENTS["reference/ref.fa"])))


def test_more_folders_than_roles_are_refused(tmp_path: Path) -> None:
    folders = [entry("reads", kind=tarfile.DIRTYPE)] * 10
    with pytest.raises(InvalidInput, match="more entries"):
        run(tmp_path, tar(*folders, *good()))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"reference/ref\.fa"):
        run(tmp_path, tar(*good()[:2]))


@pytest.mark.parametrize("kept", [0, 100, 512, 700, 1024, 3000, 5632])
def test_a_truncated_archive_is_refused(tmp_path: Path, kept: int) -> None:
    whole = tar(*good())
    assert kept < len(whole)
    with pytest.raises(InvalidInput):
        run(tmp_path, whole[:kept])


@pytest.mark.parametrize("noise", [b"not a tar at all" * 100, b"\x1f\x8b\x08" + b"x" * 2000, b"\xff" * 4096])
def test_what_is_no_plain_tar_is_refused(tmp_path: Path, noise: bytes) -> None:
    with pytest.raises(InvalidInput, match="plain, uncompressed"):
        run(tmp_path, noise)


def test_a_huge_extended_header_is_not_read_into_memory(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 1 << 32
    with pytest.raises(InvalidInput, match="header of"):
        run(tmp_path, header.tobuf(tarfile.USTAR_FORMAT) + tar(*good()))


def test_a_sparse_file_is_refused(tmp_path: Path) -> None:
    sparse = tarfile.TarInfo("reads/a.fq")
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "4500"}
    content = b"1\n0\n4500\n".ljust(512, b"\0") + CONTENTS["reads/a.fq"]
    sparse.size = len(content)
    with pytest.raises(InvalidInput):
        run(tmp_path, tar((sparse, content), *good()[1:]))
