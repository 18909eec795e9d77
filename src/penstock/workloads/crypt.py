"""Hashes that clients of the drop box choose, as `openssl passwd -6` and `-5` print them; checked by libcrypt.

Exact: ``$6$`` (SHA-512) or ``$5$`` (SHA-256), a salt of 8 to 16 characters, the hash. No ``rounds=``: a stranger could
make one check take minutes. No bcrypt or yescrypt for the same reason: their cost is part of the hash, and
`openssl passwd` makes neither. No MD5 (``$1$``, ``$apr1$``), no DES, no plain text.
"""

from __future__ import annotations

import ctypes
import hmac
import re
from functools import cache

from penstock.errors import InvalidInput, SetupError

_ALPHABET = "[./0-9A-Za-z]"
_HASH = re.compile(rf"\$6\${_ALPHABET}{{8,16}}\${_ALPHABET}{{86}}|\$5\${_ALPHABET}{{8,16}}\${_ALPHABET}{{43}}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
LONGEST_SECRET = 256
_WORK_BYTES = 32768  # libxcrypt's sizeof(struct crypt_data)


def check_hash(text: str) -> str:
    """``text`` if it is a hash in one of the accepted forms; InvalidInput never repeats it."""
    if not _HASH.fullmatch(text):
        raise InvalidInput(
            "The account's hash is not in a form that is accepted.",
            hint="Use what `openssl passwd -6` prints: $6$, a salt of 8 to 16 characters, $, 86 characters.",
        )
    return text


def check_name(text: str) -> str:
    """``text`` if an account can be called so."""
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            f"The account's name is {text[:80]!a}.", hint="Use 1 to 32 of a-z, A-Z, 0-9, '.', '_' and '-'."
        )
    return text


def matches(hashed: str, secret: str) -> bool:
    """Whether ``secret`` is what was hashed."""
    raw = secret.encode(errors="replace")
    if not _HASH.fullmatch(hashed) or b"\0" in raw or len(raw) > LONGEST_SECRET:
        return False
    work = ctypes.create_string_buffer(_WORK_BYTES)
    found = _library().crypt_rn(raw, hashed.encode(), work, _WORK_BYTES)
    return found is not None and hmac.compare_digest(found, hashed.encode())


@cache
def _library() -> ctypes.CDLL:
    """libcrypt, which is part of every Debian; Python's own binding to it is gone from 3.13 on."""
    try:
        library = ctypes.CDLL("libcrypt.so.1")
        library.crypt_rn.restype = ctypes.c_char_p
        library.crypt_rn.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
    except (OSError, AttributeError) as error:
        raise SetupError("libcrypt.so.1 is missing.", hint="Install Debian's package libcrypt1.") from error
    return library
