"""Resumable uploads (tus 1.0): ask where the server stands, send the rest in one request, again after a cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from penstock.client.http import Server
from penstock.client.inputs import Source
from penstock.client.patience import UNANSWERED, Patience
from penstock.errors import Conflict, InputChanged, Locked, PenstockError

TUS = {"Tus-Resumable": "1.0.0"}
Report = Callable[[int], None]  # told the bytes that went forward; negative where the server has fewer than were sent


class _Progress:
    """What the display believes about one upload, kept equal to what the server has."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.at = 0

    def set(self, offset: int) -> None:
        if offset != self.at:
            self._report(offset - self.at)
            self.at = offset


def send(server: Server, url: str, source: Source, patience: Patience, report: Report) -> None:
    """Upload ``source`` to ``url`` from wherever an earlier try ended; returns when the server has all of it."""
    path, trial, progress = server.path(url), patience.begin(), _Progress(report)
    offset, reached, refused_at = -1, -1, -2
    while True:
        patience.check()
        try:
            offset = _offset(server, path)
            if offset > reached:
                trial.advanced()
                reached = offset
            progress.set(offset)
            if offset >= source.size:
                return
            _patch(server, path, source, offset, patience, progress)
        except (*UNANSWERED, Locked) as error:  # locked: the server has not yet noticed the cut
            trial.failed(error)
        except InputChanged:
            raise
        except Conflict:  # the server stands elsewhere than it said: ask again, but do not insist
            if refused_at == offset:
                raise
            refused_at = offset


def _offset(server: Server, path: str) -> int:
    response = server.request("HEAD", path, headers=TUS)
    try:
        return int(response.headers["Upload-Offset"])
    except (KeyError, ValueError) as error:
        raise PenstockError(f"{server.url}{path} does not say how much of the upload it has.") from error


def _patch(server: Server, path: str, source: Source, offset: int, patience: Patience, progress: _Progress) -> None:
    headers = {
        **TUS,
        "Upload-Offset": str(offset),
        "Content-Type": "application/offset+octet-stream",
        "Content-Length": str(source.size - offset),
    }
    body = _counted(source.pieces(offset), patience, progress)
    server.request("PATCH", path, content=body, headers=headers)


def _counted(pieces: Iterator[bytes], patience: Patience, progress: _Progress) -> Iterator[bytes]:
    for piece in pieces:
        patience.check()
        yield piece
        progress.set(progress.at + len(piece))
