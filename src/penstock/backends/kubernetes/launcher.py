"""The launcher's busybox in the workspace, from which pods mount it: a volume that they have in any case.

An image volume does the same where the workspace is not mounted, and costs each pod two events more.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import struct
from pathlib import Path

import structlog

from penstock.names import new_id

log = structlog.get_logger(__name__)
FOLDER = "launcher"
_PROGRAM_HEADERS, _INTERPRETER = 32, 3  # offset of e_phoff in the header of a 64-bit file; PT_INTERP (elf(5))


def provide(workspace: Path, busybox: str | None = None) -> str | None:
    """The folder of the workspace with ``bin/busybox``; None where this machine has no static one. Blocking.

    ``busybox`` is where it is; default: on PATH.
    """
    found = busybox or shutil.which("busybox")
    content = Path(found).read_bytes() if found else b""
    if not is_static(content):
        log.info("no static busybox here: pods mount it from an image", found=found)
        return None
    folder = f"{FOLDER}/{hashlib.sha256(content).hexdigest()[:16]}"
    if not (workspace / folder).exists():
        _write(workspace / folder, content)
    return folder


def is_static(program: bytes) -> bool:
    """Whether a program runs in any image: one for Linux that wants no interpreter."""
    if program[:5] != b"\x7fELF\x02":
        return False
    order = "<" if program[5] == 1 else ">"
    (start,) = struct.unpack_from(f"{order}Q", program, _PROGRAM_HEADERS)
    size, count = struct.unpack_from(f"{order}HH", program, 54)
    kinds = [struct.unpack_from(f"{order}I", program, start + number * size)[0] for number in range(count)]
    return _INTERPRETER not in kinds


def _write(folder: Path, content: bytes) -> None:
    """Whole or not at all, readable by every user; another agent may do the same."""
    beside = folder.with_name(f".{new_id()}")
    (beside / "bin").mkdir(parents=True)
    program = beside / "bin" / "busybox"
    program.write_bytes(content)
    for path, mode in ((program, 0o555), (beside / "bin", 0o755), (beside, 0o755), (folder.parent, 0o755)):
        path.chmod(mode)
    with contextlib.suppress(OSError):  # it is there by now
        beside.rename(folder)
    shutil.rmtree(beside, ignore_errors=True)
