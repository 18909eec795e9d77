"""What this machine offers to sandboxes: found out once when the agent starts."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import penstock
from penstock.errors import SetupError
from penstock.settings import Settings

# What programs need of /etc besides what is written for each sandbox; nothing here holds secrets.
_ETC = (
    "alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "magic", "magic.mime",
    "mime.types", "perl", "python3", "python3.11", "R", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_ETC_PATTERNS = ("java-*",)
_NETWORK = ("resolv.conf", "hosts", "services", "gai.conf")
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


@dataclass(frozen=True)
class Shared:
    """A folder or file of this machine that is read-only in sandboxes."""

    source: str
    path: str
    folder: bool


@dataclass(frozen=True)
class Site:
    """Everything a plan depends on besides the work itself; all paths are absolute.

    ``links`` are links below the sandbox's root (``/bin`` → ``usr/bin``); ``environment`` is the Python that the tools
    image comes with; ``run`` is the folder of the server's socket, None where there is none.
    """

    workspace: str
    notify: str
    bwrap: str
    links: tuple[tuple[str, str], ...]
    shared: tuple[Shared, ...]
    network: tuple[Shared, ...]
    environment: tuple[str, ...]
    python: str
    run: str | None
    url: str
    ca_file: str | None = None
    allowed: tuple[str, ...] = ()
    refuse_images: bool = False
    allow_private_urls: bool = False
    transfer_limit_s: int = 6 * 3600
    largest_input: int = 1 << 40


def survey(settings: Settings) -> Site:
    """Look at this machine; SetupError says what it lacks."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SetupError("bubblewrap (bwrap) is not installed.", hint="Install the package bubblewrap.")
    links, folders = _top()
    return Site(
        workspace=str(settings.workspace_path.resolve()),
        notify=str(settings.agent_state_path.resolve() / "notify"),
        bwrap=bwrap,
        links=links,
        shared=(Shared("/usr", "/usr", folder=True), *folders, *_etc()),
        network=tuple(_share(Path("/etc") / name) for name in _NETWORK if (Path("/etc") / name).exists()),
        environment=_environment(),
        python=sys.executable,
        run=run_folder(settings),
        url=settings.url,
        ca_file=str(settings.ca_file.resolve()) if settings.ca_file else None,
        allowed=tuple(os.path.abspath(path) for path in settings.allow_path),  # noqa: PTH100 - URLs name it so
        refuse_images=settings.foreign_images == "refuse",
        allow_private_urls=settings.allow_private_urls,
        transfer_limit_s=settings.transfer_limit_s,
        largest_input=settings.largest_input,
    )


def run_folder(settings: Settings) -> str | None:
    """The folder of the server's socket, if the server is on this machine."""
    return str(settings.run_path.resolve()) if settings.run_path.is_dir() else None


def _top() -> tuple[tuple[tuple[str, str], ...], tuple[Shared, ...]]:
    paths = [Path("/") / name for name in _TOP]
    links = tuple((str(path), str(path.readlink())) for path in paths if path.is_symlink())
    folders = tuple(_share(path) for path in paths if path.is_dir() and not path.is_symlink())
    return links, folders


def _etc() -> tuple[Shared, ...]:
    etc = Path("/etc")
    paths = [etc / name for name in _ETC] + [path for pattern in _ETC_PATTERNS for path in sorted(etc.glob(pattern))]
    return tuple(_share(path) for path in paths if path.exists())


def _share(path: Path) -> Shared:
    """Links are followed here, since they would lead elsewhere while bubblewrap mounts."""
    source = path.resolve()
    return Shared(str(source), str(path), source.is_dir())


def _environment() -> tuple[str, ...]:
    """The Python that runs penstock, and the folder the package lies in when that is elsewhere (editable)."""
    package = str(Path(penstock.__path__[0]).resolve().parent)
    found: list[str] = []
    for folder in (sys.prefix, sys.base_prefix, package):
        if not any(folder == other or folder.startswith(other + "/") for other in ("/usr", *found)):
            found.append(folder)
    return tuple(found)
