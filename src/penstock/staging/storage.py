"""An owner's storage credentials as a transfer gets them: what they open, and their secret values.

They reach a transfer as a file (0600) or on its standard input, never by its environment or arguments. What is printed
or logged of one holds no secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from penstock.errors import InvalidInput
from penstock.staging.urls import below, is_remote, remote

FILE = "storage.json"
Scheme = Literal["s3", "gs", "az", "ftp"]

# The values that a credential of each scheme has: those it must have, and those it may have.
REQUIRED: dict[str, frozenset[str]] = {
    "s3": frozenset({"access_key_id", "secret_access_key"}),
    "gs": frozenset({"service_account_key"}),
    "az": frozenset({"account_name", "account_key"}),
    "ftp": frozenset({"username", "password"}),
}
OPTIONAL: dict[str, frozenset[str]] = {"s3": frozenset({"session_token"})}


class Storage(BaseModel):
    """``bucket`` is a bucket, a container, or the host of an FTP server; ``prefix`` narrows it to a folder."""

    model_config = ConfigDict(extra="ignore")

    name: str
    scheme: Scheme
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    secret: dict[str, str] = Field({}, repr=False)

    def covers(self, url: str) -> bool:
        """Whether ``url`` leads into what this opens."""
        try:
            where = remote(url)
        except InvalidInput:  # the transfer itself says what is wrong
            return False
        if (where.scheme, where.place) != (self.scheme, self.bucket):
            return False
        return not self.prefix or below(f"/{where.path}", f"/{self.prefix}")


def find(url: str, known: Iterable[Storage]) -> Storage | None:
    """The one for ``url``: of those that cover it the narrowest, of equals the first by name."""
    fitting = [one for one in known if one.covers(url)]
    return min(fitting, key=lambda one: (-len(one.prefix), one.name)) if fitting else None


def needed(urls: Iterable[str], known: Sequence[Storage]) -> list[Storage]:
    """Those that one of the URLs needs, each once."""
    found = [find(url, known) for url in urls if is_remote(url)]
    return list({one.name: one for one in found if one is not None}.values())


def dump(storage: Sequence[Storage]) -> str:
    """As JSON, secrets included."""
    return _LIST.dump_json(list(storage)).decode()


def load(text: str) -> list[Storage]:
    """What ``dump`` wrote."""
    return _LIST.validate_json(text or "[]")


def read(folder: Path) -> list[Storage]:
    """What lies in an attempt's directory; none where there is no such file."""
    try:
        return load((folder / FILE).read_text())
    except FileNotFoundError:
        return []


def check_values(scheme: str, given: dict[str, str]) -> list[str]:
    """What is wrong with the names of a credential's values, in words; nothing if they are right."""
    required, optional = REQUIRED[scheme], OPTIONAL.get(scheme, frozenset())
    missing, unknown = sorted(required - given.keys()), sorted(given.keys() - required - optional)
    wrong = [f"{', '.join(missing)} missing"] if missing else []
    wrong += [f"{json.dumps(unknown)} unknown"] if unknown else []
    return wrong + [f"{name} is empty" for name, value in sorted(given.items()) if not value]


_LIST = TypeAdapter(list[Storage])
