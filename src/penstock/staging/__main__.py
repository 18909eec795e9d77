"""Fetches the remote inputs of one attempt; the runner starts it in the attempt's directory.

Reads ``transfers`` of ``plan.json``, writes ``transfers.json``: ``outcome`` is empty when all have come.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from penstock.clock import Deadline
from penstock.errors import InvalidInput, Unreachable
from penstock.staging.transfers import fetch_all


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="penstock.staging")
    parser.add_argument("--limit", type=float, required=True, help="seconds that all transfers together may take")
    parser.add_argument("--allow-private", action="store_true", help="fetch from private addresses, too")
    given = parser.parse_args()
    transfers = json.loads(Path("plan.json").read_text())["transfers"]
    report: dict[str, object] = {"outcome": "", "reason": "", "lines": []}
    try:
        deadline = Deadline.after(given.limit)
        report["lines"] = fetch_all(transfers, deadline, allow_private=given.allow_private)
    except InvalidInput as error:
        report |= {"outcome": "SYSTEM_ERROR", "reason": str(error)}
    except Unreachable as error:
        report |= {"outcome": "LOST", "reason": str(error)}
    except OSError as error:
        report |= {"outcome": "LOST", "reason": f"A remote input cannot be stored: {error}."}
    Path("transfers.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
