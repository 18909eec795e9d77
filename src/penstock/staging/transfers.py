"""All remote inputs of one attempt, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock.clock import Deadline
from penstock.staging.http import fetch

_AT_ONCE = 4
Transfer = Mapping[str, str]


def fetch_all(
    transfers: Iterable[Transfer],
    deadline: Deadline,
    *,
    allow_private: bool,
    special: Callable[[Transfer, Deadline], bool] = lambda _transfer, _deadline: False,
) -> list[str]:
    """Fetch each to its target; lines for the system log. ``special`` takes those that are its own, and says so."""

    def one(transfer: Transfer) -> str:
        if special(transfer, deadline):
            return ""
        fetched = fetch(transfer["url"], Path(transfer["target"]), deadline, allow_private=allow_private)
        return f"fetched {transfer['url']}: {fetched.size_bytes} bytes, sha256 {fetched.sha256}"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [line for line in pool.map(one, transfers) if line]
