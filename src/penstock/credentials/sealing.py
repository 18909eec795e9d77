"""Sealing values at rest: AES-256-GCM, each under a key of its own that HKDF (RFC 5869) derives from the server's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from penstock.errors import SetupError

_VERSION = b"\x01"  # so that another way can follow
_SALT, _NONCE = 16, 12


def seal(key: bytes, values: dict[str, str], bound: Sequence[str]) -> bytes:
    """``values``, readable only with ``key`` and the same ``bound``: version, salt, nonce, ciphertext."""
    salt, nonce = os.urandom(_SALT), os.urandom(_NONCE)
    text = json.dumps(values).encode()
    return _VERSION + salt + nonce + AESGCM(_derived(key, salt)).encrypt(nonce, text, _together(bound))


def unseal(key: bytes, sealed: bytes, bound: Sequence[str]) -> dict[str, str]:
    """What was sealed; SetupError if it was with another key, or belongs to something else."""
    salt, rest = sealed[1 : 1 + _SALT], sealed[1 + _SALT :]
    try:
        text = AESGCM(_derived(key, salt)).decrypt(rest[:_NONCE], rest[_NONCE:], _together(bound))
    except InvalidTag as error:
        raise SetupError(
            f"The storage credential {bound[1]!r} of {bound[0]!r} was sealed with another key, or changed.",
            hint="After a change of the server's key: `penstock admin credentials reseal --old-key FILE`.",
        ) from error
    found: dict[str, str] = json.loads(text)
    return found


def _derived(key: bytes, salt: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"penstock storage credential").derive(key)


def _together(bound: Sequence[str]) -> bytes:
    return json.dumps(list(bound)).encode()
