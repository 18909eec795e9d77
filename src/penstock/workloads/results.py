"""Packs results: single files, a manifest that ``sha256sum -c`` reads, and one archive. Everything here blocks.

The packed folder appears under its owner by one rename; a second try after a kill finds it there, or starts again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import zstandard

from penstock.names import check_relative_path
from penstock.workloads.halt import Halt, digest
from penstock.workloads.models import Result
from penstock.workloads.places import FILE_MODE, Places, remove_tree, sync, sync_tree

FILES, MANIFEST, ARCHIVE = "files", "manifest.sha256", "results.tar.zst"
LEVEL = 3  # variant files are compressed already; more costs time and gains little
REPORT, CRATE = "report.html", "ro-crate-metadata.json"
OWN = "penstock-"  # before the name of what tells of the results, where the pipeline makes a file of that name itself

Describe = Callable[[Path, Sequence[Result], str], bytes]  # of the folder, what is in it, and the new file's name


def publish(
    places: Places,
    owner: str,
    workload: str,
    root: Path,
    names: Sequence[str],
    halt: Halt,
    described: Sequence[tuple[str, Describe]] = (),
) -> list[Result]:
    """Pack the files ``names`` below ``root`` into the owner's results and return what is there.

    ``described`` are further files that tell of the others; each is told of those before it.
    """
    target = places.results(owner, workload)
    if target.is_dir():
        return read_published(target)
    packing = places.packing(workload)
    remove_tree(packing)
    places.make(packing / FILES)
    results = [_take(places, root / name, packing / FILES, name, halt) for name in sorted(set(names) - {MANIFEST})]
    for name, describe in described:
        results.append(_describe(packing / FILES, _free(name, packing / FILES), describe, results))
    results.sort(key=lambda one: one.name)
    _write(packing / MANIFEST, manifest(results).encode())
    _archive(packing, results, halt)
    sync_tree(packing, len(results))
    places.make(target.parent)
    packing.replace(target)
    sync(target.parent)
    return results


def manifest(results: Sequence[Result]) -> str:
    """The lines of ``sha256sum``: a name with a backslash in it is escaped, and its line says so."""
    return "".join(_line(result) for result in results)


def parse_manifest(text: str) -> list[tuple[str, str]]:
    """(digest, name) of every line of a manifest."""
    pairs = []
    for line in text.splitlines():
        escaped, plain = line.startswith("\\"), line.lstrip("\\")
        name = plain[66:]
        pairs.append((plain[:64], name.replace("\\\\", "\\") if escaped else name))
    return pairs


def read_published(folder: Path) -> list[Result]:
    """What a published folder holds."""
    pairs = parse_manifest((folder / MANIFEST).read_text())
    return [Result(name=name, size=(folder / FILES / name).stat().st_size, sha256=sha256) for sha256, name in pairs]


def _line(result: Result) -> str:
    if "\\" in result.name:
        escaped = result.name.replace("\\", "\\\\")
        return f"\\{result.sha256}  {escaped}\n"
    return f"{result.sha256}  {result.name}\n"


def _take(places: Places, source: Path, folder: Path, name: str, halt: Halt) -> Result:
    target = folder / check_relative_path(name)
    places.make(target.parent)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or too many links
        shutil.copyfile(source, target, follow_symlinks=False)
    # What was found as a plain file may be a link by now, and must not lead anybody out of the working directory.
    with os.fdopen(os.open(target, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        found, size = digest(file, halt)
    return Result(name=name, size=size, sha256=found)


def _free(name: str, folder: Path) -> str:
    """``name``, or one that nothing in ``folder`` has."""
    while (folder / name).exists():
        name = OWN + name
    return name


def _describe(folder: Path, name: str, describe: Describe, results: Sequence[Result]) -> Result:
    content = describe(folder, results, name)
    _write(folder / name, content)
    return Result(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _archive(packing: Path, results: Sequence[Result], halt: Halt) -> None:
    """A tar that is the same for the same files: sorted, with no owner and no time. ``sha256sum -c`` works in it."""
    with (
        (packing / ARCHIVE).open("wb") as file,
        zstandard.ZstdCompressor(level=LEVEL).stream_writer(file, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        _add(archive, packing / MANIFEST, MANIFEST)
        for result in results:
            halt.check()
            _add(archive, packing / FILES / result.name, result.name)
    (packing / ARCHIVE).chmod(FILE_MODE)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as file:
        archive.addfile(entry, file)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(FILE_MODE)
