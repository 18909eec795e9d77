"""Example data of the catalogue's pipelines: fetched once from Debian packages, checked, and kept in the user's cache.

``<pipeline>/example/<name>.yml`` says which package holds the files, and their SHA-256.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.errors import InvalidInput, NotFound, SetupError
from penstock.pipelines.parameters import closest
from penstock.pipelines.service import BUILT_IN

DOWNLOAD_S = 600


class ExampleFile(BaseModel):
    """One file: what it will be called, where it lies below the package's folder, and its digest."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ExampleData(BaseModel):
    """The whole of an ``example/<name>.yml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    package: str = Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")
    folder: str
    files: dict[str, list[ExampleFile]]

    @property
    def digest(self) -> str:
        """Changes with anything that is said here."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def default_cache() -> Path:
    """Where fetched data is kept for this user."""
    return Path.home() / ".cache" / "penstock" / "examples"


def fetch(name: str, *, cache: Path | None = None, catalogue: Path = BUILT_IN) -> dict[str, list[Path]]:
    """The files of example ``name`` by input role, downloaded if they are not in ``cache`` or were damaged there.

    NotFound if there is no such example; SetupError if it cannot be fetched, saying why.
    """
    data = definition(name, catalogue=catalogue)
    folder = (cache or default_cache()) / f"{name}-{data.digest[:16]}"
    if not _whole(folder, data):
        _make(name, data, folder)
    return {role: [folder / file.name for file in files] for role, files in data.files.items()}


def definition(name: str, *, catalogue: Path = BUILT_IN) -> ExampleData:
    """What the catalogue says of example ``name``."""
    known = {path.stem: path for path in sorted(catalogue.glob("*/example/*.yml"))}
    if name not in known:
        raise NotFound(f"There is no example {name!r}.", hint=closest(name, known))
    try:
        return ExampleData.model_validate(yaml.safe_load(known[name].read_text()))
    except (yaml.YAMLError, ValidationError) as error:
        raise InvalidInput(f"{known[name]} is broken: {' '.join(str(error).split())}.") from error


def _make(name: str, data: ExampleData, folder: Path) -> None:
    """Build the folder beside its place and move it there whole, so that a cut leaves nothing that looks finished."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
        unpacked, made = Path(scratch) / "package", Path(scratch) / "made"
        _unpack(name, data.package, Path(scratch), unpacked)
        made.mkdir()
        for file in _files(data):
            source = unpacked / data.folder / file.path
            if not source.is_file():
                raise SetupError(f"Package {data.package} does not hold {data.folder}/{file.path} (example {name!r}).")
            shutil.copyfile(source, made / file.name)
        if not _whole(made, data):
            raise SetupError(f"Package {data.package} holds other files than example {name!r} was made for.")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            if not _whole(folder, data):  # else somebody else has just put the same there
                raise


def _unpack(name: str, package: str, scratch: Path, target: Path) -> None:
    _run(name, ["apt-get", "download", "-q", package], scratch)
    archives = sorted(scratch.glob("*.deb"))
    if not archives:
        raise SetupError(f"Cannot fetch example {name!r}: apt-get left no file of {package}.")
    _run(name, ["dpkg-deb", "-x", str(archives[-1]), str(target)], scratch)


def _run(name: str, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
    except FileNotFoundError as error:
        raise SetupError(
            f"Cannot fetch example {name!r}: this machine has no {command[0]}.",
            hint="The examples come from Debian packages; use files of your own elsewhere.",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"Cannot fetch example {name!r}: {command[0]} took more than {DOWNLOAD_S} s.") from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()[-1:]
        raise SetupError(
            f"Cannot fetch example {name!r}: {' '.join(command[:2])} failed: {' '.join(said)}",
            hint="It comes from a Debian package: check the network; 'apt-get update' helps if the package is unknown.",
        )


def _files(data: ExampleData) -> list[ExampleFile]:
    return [file for files in data.files.values() for file in files]


def _whole(folder: Path, data: ExampleData) -> bool:
    return all(_digest(folder / file.name) == file.sha256 for file in _files(data))


def _digest(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
