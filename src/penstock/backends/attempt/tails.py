"""The last part of what an executor wrote, without keeping the rest."""

from __future__ import annotations

import os

LONGEST = 65 * 1024  # bytes; at least 64 KiB are promised, and a cut character is dropped
_CHUNK = 256 * 1024


class PipeTail:
    """A stream that no file was declared for: read as it comes, all but the end thrown away."""

    def __init__(self, source: int, sink: int) -> None:
        self.source = source
        self.sink = sink
        self._kept = bytearray()

    def given(self) -> None:
        """Close the writing end, which the executor has now."""
        os.close(self.sink)

    def read(self) -> bool:
        """Take what has come; False at the end of the stream."""
        data = os.read(self.source, _CHUNK)
        self._kept += data
        if len(self._kept) > 4 * LONGEST:
            del self._kept[:-LONGEST]
        return bool(data)

    def text(self) -> str:
        """The end of what was read."""
        return _decode(bytes(self._kept[-LONGEST:]))


class FileTail:
    """A stream that goes to a file of the sandbox."""

    def __init__(self, sink: int) -> None:
        self.sink = sink

    def text(self) -> str:
        """The end of the file."""
        size = os.fstat(self.sink).st_size
        return _decode(os.pread(self.sink, LONGEST, max(0, size - LONGEST)))


Tail = PipeTail | FileTail


def _decode(data: bytes) -> str:
    """As text: a character that the cut went through is dropped, what else is not UTF-8 is replaced."""
    start = 0
    while len(data) == LONGEST and start < 3 and 0x80 <= data[start] < 0xC0:
        start += 1
    return data[start:].decode(errors="replace")
