"""What a module leaves beside the results, to find out later whether they are those of the same run."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

from penstock.client.digests import hash_file

RECEIPT = ".penstock-receipt.json"


class Receipt(BaseModel):
    """The key of a run, and the SHA-256 of each of its results."""

    key: str
    workload: str
    files: dict[str, str]


def read_receipt(output: Path) -> Receipt | None:
    """The receipt in a folder of results; None if there is none that can be read."""
    try:
        return Receipt.model_validate_json((output / RECEIPT).read_text())
    except (OSError, ValidationError):
        return None


def write_receipt(output: Path, receipt: Receipt) -> None:
    """Leave a receipt."""
    beside = output / f"{RECEIPT}.new"
    beside.write_text(receipt.model_dump_json(indent=1))
    beside.replace(output / RECEIPT)


def is_whole(output: Path, receipt: Receipt) -> bool:
    """Whether every result is there, unchanged."""
    try:
        return all(hash_file(output / name) == sha256 for name, sha256 in receipt.files.items())
    except OSError:
        return False
