"""``Upload-Metadata`` of tus: pairs of a key and a value in base64, as standard clients send them with a creation."""

from __future__ import annotations

import base64
import binascii

from pydantic import BaseModel, ConfigDict, ValidationError

from penstock.errors import InvalidInput

_HINT = "Send workload, role and filename, each with its value in base64."


class Claim(BaseModel):
    """Which declared file of which workload an upload is for."""

    model_config = ConfigDict(extra="ignore")

    workload: str
    role: str
    filename: str


def read_claim(text: str) -> Claim:
    """What ``Upload-Metadata`` says; InvalidInput names what is missing."""
    try:
        return Claim.model_validate(dict(_pair(pair) for pair in text.split(",") if pair.strip()))
    except ValidationError as error:
        missing = ", ".join(str(one["loc"][0]) for one in error.errors())
        raise InvalidInput(f"Upload-Metadata lacks {missing}.", hint=_HINT) from error


def _pair(pair: str) -> tuple[str, str]:
    key, _, encoded = pair.strip().partition(" ")
    try:
        return key, base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"The value of {key[:40]!r} in Upload-Metadata is not base64 of text.", hint=_HINT
        ) from error
