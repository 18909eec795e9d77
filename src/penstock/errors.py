"""Every error that Penstock raises on purpose, in one tree.

    PenstockError                     500  internal
      InvalidInput                    400  invalid-input
        UnknownPipeline               404  unknown-pipeline
        InvalidParameter              400  invalid-parameter
        UnsupportedMedia              415  unsupported-media
        UnsupportedVersion            412  unsupported-version
        ChecksumMismatch              460  checksum-mismatch
        KeyReused                     422  key-reused
      NotAuthenticated                401  not-authenticated
      Forbidden                       403  forbidden
      NotFound                        404  not-found
      Gone                            410  gone
      Conflict                        409  conflict
        Fenced                        409  fenced
        InputChanged                  409  input-changed  (raised by clients only)
        Locked                        423  locked
      TooLarge                        413  too-large
      LimitReached                    429  limit-reached
      HeadTooLarge                    431  head-too-large
      StorageFull                     507  storage-full
      Draining                        503  draining
      StoreAway                       503  store-away
      SetupError                      500  setup       (this machine or its settings; shown by the command line)
      Unreachable                     503  unreachable (raised by clients only)

A message says what was wrong and with which value; ``hint`` says what would be right. ``code`` never changes once
released: programs match on it, ``docs/errors.md`` explains each. ``headers`` go into the HTTP answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class PenstockError(Exception):
    """Root of the tree.

    Parameters
    ----------
    message: what was wrong, with the value that was wrong.
    hint: what the reader can do next; may be empty.
    headers: what the HTTP answer must carry for this error, such as Retry-After.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.headers = dict(headers or {})

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InvalidInput(PenstockError):
    """The request cannot be understood or breaks a rule of the API."""

    status = 400
    code = "invalid-input"


class UnknownPipeline(InvalidInput):
    """No pipeline of that name or version is in the catalogue."""

    status = 404
    code = "unknown-pipeline"


class InvalidParameter(InvalidInput):
    """A parameter of a pipeline has a wrong name, type or range."""

    code = "invalid-parameter"


class UnsupportedMedia(InvalidInput):
    """The body's content type is not what this address takes."""

    status = 415
    code = "unsupported-media"


class UnsupportedVersion(InvalidInput):
    """The caller speaks a version of the protocol that this server does not."""

    status = 412
    code = "unsupported-version"


class ChecksumMismatch(InvalidInput):
    """A body is not what its checksum says; none of it was kept (tus, status 460)."""

    status = 460
    code = "checksum-mismatch"


class KeyReused(InvalidInput):
    """An Idempotency-Key that came with another submission before."""

    status = 422
    code = "key-reused"


class NotAuthenticated(PenstockError):
    """No credentials, or wrong, expired or revoked ones."""

    status = 401
    code = "not-authenticated"


class Forbidden(PenstockError):
    """The credentials are right but do not allow this."""

    status = 403
    code = "forbidden"


class NotFound(PenstockError):
    """There is no such object, or it belongs to somebody else."""

    status = 404
    code = "not-found"


class Gone(PenstockError):
    """The object existed and was removed."""

    status = 410
    code = "gone"


class Conflict(PenstockError):
    """The object is in a state that does not allow this."""

    status = 409
    code = "conflict"


class Fenced(Conflict):
    """A later attempt, or a later incarnation of the agent, has taken over."""

    code = "fenced"


class Locked(Conflict):
    """Another request is writing to this object right now; try again."""

    status = 423
    code = "locked"


class InputChanged(Conflict):
    """A local file is no longer the one whose digest the server was told (raised by clients only)."""

    code = "input-changed"


class HeadTooLarge(PenstockError):
    """The headers of a request are more or longer than anybody needs."""

    status = 431
    code = "head-too-large"


class TooLarge(PenstockError):
    """A body, file or archive is larger than this deployment allows."""

    status = 413
    code = "too-large"


class LimitReached(PenstockError):
    """The owner has as many as this deployment allows."""

    status = 429
    code = "limit-reached"


class StorageFull(PenstockError):
    """The workspace has no room for what is to be stored."""

    status = 507
    code = "storage-full"


class Draining(PenstockError):
    """The server is about to stop; try again."""

    status = 503
    code = "draining"


class StoreAway(PenstockError):
    """The database does not answer; the server goes on by itself once it does."""

    status = 503
    code = "store-away"


class SetupError(PenstockError):
    """This machine, or the settings, cannot run what was asked for."""

    code = "setup"


class Unreachable(PenstockError):
    """The server did not answer (raised by clients only)."""

    status = 503
    code = "unreachable"
