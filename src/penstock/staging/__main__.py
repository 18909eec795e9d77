"""The transfers of one attempt, as a program of their own: it can be ended at any moment.

``fetch`` runs in an attempt's directory. It reads ``transfers`` of ``plan.json`` and the owner's storage credentials in
``storage.json``, and writes ``transfers.json``. ``send`` is the server's: it reads what to send, with the credentials,
from its standard input, and prints its report. In both reports ``outcome`` is empty when all went well.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging import storage
from penstock.staging.transfers import Means, fetch_all, send_all

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="penstock.staging")
    parser.add_argument("what", choices=["fetch", "send"])
    parser.add_argument("--limit", type=float, required=True, help="seconds that all transfers together may take")
    parser.add_argument("--largest", type=int, required=True, help="bytes that a fetched file may have")
    parser.add_argument("--allow-private", action="store_true", help="speak to private addresses, too")
    given = parser.parse_args()
    deadline = Deadline.after(given.limit)
    if given.what == "fetch":
        report = _reported("A remote input cannot be stored", lambda: _fetch(given, deadline))
        Path("transfers.json").write_text(json.dumps(report))
    else:
        report = _reported("An output cannot be read", lambda: _send(given, deadline))
        sys.stdout.write(json.dumps(report))
        sys.stdout.flush()
    os._exit(0)  # threads may be in the middle of transfers that nobody needs any more


def _reported(what: str, job: Callable[[], list[str]]) -> dict[str, object]:
    try:
        return {"outcome": "", "reason": "", "lines": job()}
    except InvalidInput as error:
        return {"outcome": "SYSTEM_ERROR", "reason": str(error)}
    except Unreachable as error:
        return {"outcome": "LOST", "reason": str(error)}
    except OSError as error:
        return {"outcome": "LOST", "reason": f"{what}: {error}."}


def _fetch(given: argparse.Namespace, deadline: Deadline) -> list[str]:
    transfers = json.loads(Path("plan.json").read_text())["transfers"]
    known = storage.read(Path())
    return fetch_all(transfers, deadline, allow_private=given.allow_private, largest=given.largest, storage=known)


def _send(given: argparse.Namespace, deadline: Deadline) -> list[str]:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # another server sends again
    job = json.load(sys.stdin)
    means = Means(given.allow_private, given.largest, storage.load(json.dumps(job["storage"])))
    send_all([(Path(one["source"]), one["url"]) for one in job["sendings"]], deadline, means)
    return []


if __name__ == "__main__":
    main()
