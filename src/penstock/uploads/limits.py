"""What is refused because it is too much. Pure."""

from __future__ import annotations

from penstock.errors import StorageFull, TooLarge
from penstock.uploads.models import Upload


def no_room(wanted: int, room: int, promised: int, reserve: int) -> StorageFull:
    """The workspace's high-water mark is reached; all in bytes."""
    return StorageFull(
        f"The workload needs {wanted} bytes; the workspace has room for {room} bytes"
        f" ({promised} are promised to other uploads, {reserve} are kept in reserve).",
        hint="Acknowledge finished workloads, or ask an operator for space.",
    )


def too_long(upload: Upload) -> TooLarge:
    """More came than was declared."""
    return TooLarge(f"The upload {upload.name!r} was declared with {upload.size} bytes, and more were sent.")
