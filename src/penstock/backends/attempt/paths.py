"""Which absolute paths a task may use: all but those of the system that every sandbox has."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import InvalidInput
from penstock.names import check_absolute_path
from penstock.staging.urls import below

SYSTEM = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/dev", "/sys", "/boot",
    "/run/penstock", "/run/penstock-token",
)  # fmt: skip


def system_folders(environment: Sequence[str] = ()) -> tuple[str, ...]:
    """Folders that are mounted read-only into a sandbox: the system's, and the tools' Python environment."""
    return (*SYSTEM, *environment)


def check_path(path: str, what: str, system: Sequence[str], *, mounted: bool = False) -> str:
    """``path`` without a slash at its end; InvalidInput if it is not absolute, not plain, or the system's.

    Something ``mounted`` there must not hide a system folder either.
    """
    try:
        checked = str(check_absolute_path(path))
    except InvalidInput as error:
        raise InvalidInput(f"The {what} path {path!a} cannot be used: {error.message}") from error
    for folder in system:
        if below(checked, folder):
            raise InvalidInput(f"The {what} path {checked} lies in {folder}, which belongs to the system.")
        if mounted and below(folder, checked):
            raise InvalidInput(f"The {what} path {checked} hides {folder}, which belongs to the system.")
    return checked
