"""What a URL of a task means here.

``file:///workspace/<path>`` is the virtual name of the workspace on every backend; other ``file://`` URLs count only
below folders that the operator allowed. All others lead elsewhere: ``http(s)``, ``ftp``, and the object stores ``s3``,
``gs`` and ``az`` (``s3://<bucket>/<key>``). Paths in all but HTTP URLs are taken as they are: nothing is
percent-decoded, because TES makes output URLs by plain concatenation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from penstock.errors import InvalidInput
from penstock.names import check_absolute_path

WORKSPACE = "/workspace"
WEB = ("http", "https")
OBJECT_STORES = ("s3", "gs", "az")
REMOTE = (*WEB, "ftp", *OBJECT_STORES)
SCHEMES = ("file", *REMOTE)
SUPPORTED = (*WEB, "ftp", "s3", "az")  # those of REMOTE that are tested against real servers: service-info tells them


class Kind(StrEnum):
    """Where a URL leads."""

    WORKSPACE = "workspace"
    PATH = "path"
    REMOTE = "remote"


@dataclass(frozen=True)
class Located:
    """A URL that is understood.

    ``path`` is the virtual path (``/workspace/…``) or the path on this machine; for a remote URL it is the URL itself.
    ``within`` is the allowed folder that a path on this machine must not leave, also through links.
    """

    kind: Kind
    path: str
    within: str = ""


@dataclass(frozen=True)
class Remote:
    """A remote URL in its parts. ``place`` is the bucket or host (with its port), ``path`` what follows its slash."""

    scheme: str
    place: str
    path: str


def locate(url: str, allowed: Sequence[str] = ()) -> Located:
    """What ``url`` points to; InvalidInput names a URL that is not supported, not allowed, or not plain."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if separator and scheme in REMOTE and rest:
        remote(url)
        return Located(Kind.REMOTE, url)
    if not separator or scheme != "file":
        raise InvalidInput(f"The URL {shown(url)!r} is not supported here.", hint=f"Supported are {_known()}.")
    return _locate_file(url, rest, allowed)


def is_remote(url: str) -> bool:
    """Whether ``url`` has one of the schemes that lead elsewhere."""
    return scheme_of(url) in REMOTE


def scheme_of(url: str) -> str:
    """The scheme in small letters; empty if there is none."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator else ""


def remote(url: str) -> Remote:
    """The parts of a remote URL; InvalidInput if it holds credentials or cannot be one."""
    scheme, _, rest = url.partition("://")
    place, _, path = rest.partition("/")
    if scheme.lower() in WEB:
        place = place.partition("?")[0].partition("#")[0]
    if "@" in place:
        raise InvalidInput(
            f"The URL {shown(url)!r} holds credentials.", hint="Store them with `penstock credentials set`."
        )
    if not place or any(ord(character) <= 32 or ord(character) == 127 for character in place):
        raise InvalidInput(f"The URL {shown(url)!r} names no {'bucket' if scheme in OBJECT_STORES else 'host'}.")
    if scheme.lower() not in WEB and path:
        _check_plain(url, path)
    return Remote(scheme.lower(), place, path)


def shown(url: str) -> str:
    """``url`` without what may be secret in it: user and password, and the query, where signed URLs carry theirs."""
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    if not separator or scheme.lower() not in REMOTE:
        return url
    place = place.rpartition("@")[2]
    if scheme.lower() in WEB:
        place, mark, _ = place.partition("?")
        path, second, _ = path.partition("?")
        slash = "" if mark else slash
        return f"{scheme}://{place}{slash}{'' if mark else path}{'?…' if mark or second else ''}"
    return f"{scheme}://{place}{slash}{path}"


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; both absolute and plain."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def join(url: str, rest: str) -> str:
    """The URL of ``rest``, a relative path, in the directory ``url``."""
    return f"{url.rstrip('/')}/{rest}"


def _check_plain(url: str, path: str) -> None:
    try:
        check_absolute_path(f"/{path}")
    except InvalidInput as error:
        raise InvalidInput(f"The URL {shown(url)!r} is not plain: {error.message}") from error


def _known() -> str:
    return ", ".join(SCHEMES)


def _locate_file(url: str, rest: str, allowed: Sequence[str]) -> Located:
    try:
        path = str(check_absolute_path(rest))
    except InvalidInput as error:
        raise InvalidInput(f"The URL {url!r} is not a plain file URL: {error.message}") from error
    if below(path, WORKSPACE) and path != WORKSPACE:
        return Located(Kind.WORKSPACE, path)
    for folder in allowed:
        if below(path, str(PurePosixPath(folder))):
            return Located(Kind.PATH, path, folder)
    raise InvalidInput(f"The URL {url!r} is not allowed here.", hint="Use file:///workspace/….")
