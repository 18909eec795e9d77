"""Who sends without a token: each workload gets an owner of its own, so that strangers stay strangers to each other.

Their limits hold for all servers of a store together, over restarts: they are looked at in the transaction that makes
a workload, or takes the key of a drop.
"""

from __future__ import annotations

from sqlalchemy import Connection

from penstock.clock import MICROSECONDS
from penstock.errors import LimitReached, TooLarge
from penstock.names import new_id
from penstock.settings import Settings
from penstock.workloads import store, store_drops

PREFIX = "anon-"
AN_HOUR_US = 3600 * MICROSECONDS


def stranger() -> str:
    """An owner that nobody else has."""
    return f"{PREFIX}{new_id()}"


def is_stranger(owner: str) -> bool:
    """Whether an owner is somebody without a token."""
    return owner.startswith(PREFIX)


def check_size(settings: Settings, size: int) -> None:
    """TooLarge if somebody without a token may not send so many bytes."""
    if size > settings.anonymous_largest:
        hint = f"Without a token at most {settings.anonymous_largest} bytes can be sent."
        raise TooLarge(f"{size} bytes are too many.", hint=hint)


def check_room(connection: Connection, settings: Settings, now_us: int) -> None:
    """LimitReached where there are too many workloads without a token, or were made too many within the last hour."""
    there = store.count_of_owners(connection, PREFIX) + store_drops.count_arriving(connection)
    lately = store_drops.count_strangers(connection, PREFIX, now_us - AN_HOUR_US)
    if lately >= settings.anonymous_per_hour or there >= settings.anonymous_at_once:
        raise LimitReached(
            "There are too many workloads without a token.", hint="Try again later.", headers={"Retry-After": "600"}
        )
