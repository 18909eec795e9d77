"""``Upload-Checksum`` of tus: the digest of one request's body, checked before its bytes count as received.

https://tus.io/protocols/resumable-upload, "Checksum". SHA-1 is there because the protocol wants it of every server.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator

from penstock.errors import ChecksumMismatch, InvalidInput

ALGORITHMS = ("sha256", "sha1")


class Checksum:
    """A digest that a body must have; ``passing`` counts it while it is read."""

    def __init__(self, algorithm: str, digest: bytes) -> None:
        self._wanted = digest
        self._found = hashlib.new(algorithm, usedforsecurity=False)

    async def passing(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body, as it is."""
        async for part in body:
            self._found.update(part)
            yield part

    def check(self) -> None:
        """ChecksumMismatch unless what has passed is what was meant; a body that was cut is not."""
        if not hmac.compare_digest(self._found.digest(), self._wanted):
            raise ChecksumMismatch(
                f"The body's {self._found.name} is not that of Upload-Checksum; none of it was kept.",
                hint="Send it again from the same offset.",
            )


def read_checksum(text: str) -> Checksum | None:
    """``<algorithm> <digest in base64>``; None for no header at all."""
    if not text:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise InvalidInput(f"Upload-Checksum names {algorithm[:40]!r}.", hint=f"Use {' or '.join(ALGORITHMS)}.")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise InvalidInput("The digest of Upload-Checksum is not base64.") from error
    return Checksum(algorithm, digest)
