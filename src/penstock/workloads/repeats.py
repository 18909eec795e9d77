"""Creates that can be sent again, because a key that their sender chose finds what the first of them has made.

The header is that of the IETF's draft "The Idempotency-Key HTTP Header Field": a quoted string, or a bare one. A key
lives as long as its workload. Only its SHA-256 is stored, together with whose it is, so that keys of different owners
never meet.

Strangers have no token, so the key alone says that two requests come from one of them. That is safe, because

- a stranger's key must be as long as 128 random bits written in hexadecimal: nobody guesses it, and nobody reads it
  from a copy of the store. Whoever chooses a long and guessable key harms nobody else;
- it opens nothing to who does not send the same submission, digests of all files included; once those have arrived,
  it opens nothing at all. Each repetition ends the secret of the one before, so nobody listens in unnoticed;
- a key that nobody has used makes a workload under the same limits as a create without one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.clock import MICROSECONDS
from penstock.errors import Conflict, InvalidInput, KeyReused, LimitReached
from penstock.workloads.anonymous import PREFIX, is_stranger
from penstock.workloads.models import REMOVING, State, Submission, Workload
from penstock.workloads.store_keys import Made

LONGEST, STRANGERS_SHORTEST = 128, 32
MOST_REPEATS = 100  # more is a client gone wild: each one costs a secret, and a stranger's a token
_KEY = re.compile(r"[A-Za-z0-9._~:+/=-]+")


@dataclass(frozen=True)
class Key:
    """``name`` is what is stored of the key; ``parts`` the digest of each field of what was submitted with it."""

    name: str
    parts: Mapping[str, str]


def key_of(owner: str, header: str, submission: Submission) -> Key:
    """The key of an owner's create; InvalidInput if it cannot be one."""
    text = _bare(header)
    if not _KEY.fullmatch(text) or len(text) > LONGEST:
        hint = f"Send 1 to {LONGEST} letters, digits or any of . _ ~ : + / = -, such as a UUID."
        raise InvalidInput(f"The Idempotency-Key is {header[:LONGEST]!r}.", hint=hint)
    if is_stranger(owner) and len(text) < STRANGERS_SHORTEST:
        hint = f"Without a token it has at least {STRANGERS_SHORTEST} characters, made from 128 random bits or more."
        raise InvalidInput(f"The Idempotency-Key has {len(text)} characters.", hint=hint)
    whose = PREFIX if is_stranger(owner) else owner  # no owner has a name that ends with a hyphen
    return Key(hashlib.sha256(f"{whose}\n{text}".encode()).hexdigest(), parts_of(submission))


def parts_of(submission: Submission) -> dict[str, str]:
    """A digest of each field that says something; one that is left out is as good as its default."""
    fields = submission.model_dump(mode="json", exclude_defaults=True)
    return {name: hashlib.sha256(_canonical(value)).hexdigest()[:32] for name, value in fields.items()}


def check_repeat(key: Key, made: Made, workload: Workload, now_us: int, young_s: int) -> None:
    """Whether the workload may be answered once more: KeyReused, LimitReached or Conflict say why not."""
    differing = sorted(name for name in {*key.parts, *made.parts} if key.parts.get(name) != made.parts.get(name))
    if differing:
        told = f"This Idempotency-Key came with another {' and another '.join(differing)} before."
        raise KeyReused(told, hint=f"It has made the workload {workload.id}. Choose a new key for another workload.")
    if made.repeats >= MOST_REPEATS:
        raise LimitReached(f"The create of workload {workload.id} was repeated {made.repeats} times.")
    if not _unbegun(workload) or workload.created_us + young_s * MICROSECONDS < now_us:
        raise Conflict(
            f"This Idempotency-Key has made the workload {workload.id}, which is {workload.state.value} by now.",
            hint=f"Go on with /api/v1/workloads/{workload.id}; account:rotate there makes a new secret.",
        )


def _unbegun(workload: Workload) -> bool:
    """Whether nobody can have used the first answer: it was needed to send files. Without files all goes by itself."""
    if any(one.size for one in workload.inputs):
        return workload.state is State.UPLOADING
    return workload.state not in REMOVING


def _bare(header: str) -> str:
    text = header.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
