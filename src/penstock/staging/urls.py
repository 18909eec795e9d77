"""What a URL of a task means here.

``file:///workspace/<path>`` is the virtual name of the workspace on every backend; other ``file://`` URLs count only
below folders that the operator allowed. Paths in file URLs are taken as they are: nothing is percent-decoded, because
TES makes output URLs by plain concatenation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from penstock.errors import InvalidInput
from penstock.names import check_absolute_path

WORKSPACE = "/workspace"
SCHEMES = ("file", "http", "https")


class Kind(StrEnum):
    """Where a URL leads."""

    WORKSPACE = "workspace"
    PATH = "path"
    HTTP = "http"


@dataclass(frozen=True)
class Located:
    """A URL that is understood.

    ``path`` is the virtual path (``/workspace/…``) or the path on this machine; for HTTP it is the URL itself.
    ``within`` is the allowed folder that a path on this machine must not leave, also through links.
    """

    kind: Kind
    path: str
    within: str = ""


def locate(url: str, allowed: Sequence[str] = ()) -> Located:
    """What ``url`` points to; InvalidInput names a URL that is not supported, not allowed, or not plain."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if separator and scheme in ("http", "https") and rest:
        return Located(Kind.HTTP, url)
    if not separator or scheme != "file":
        raise InvalidInput(f"The URL {url!r} is not supported here.", hint=f"Supported are {', '.join(SCHEMES)}.")
    return _locate_file(url, rest, allowed)


def below(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; both absolute and plain."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def join(url: str, rest: str) -> str:
    """The URL of ``rest``, a relative path, in the directory ``url``."""
    return f"{url.rstrip('/')}/{rest}"


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
