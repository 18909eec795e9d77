"""Policy of storage credentials: what one may be, who gets it, and what becomes of it when the server's key changes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import Connection

from penstock.clock import now_us
from penstock.credentials import store
from penstock.credentials.models import Credential
from penstock.credentials.sealing import seal, unseal
from penstock.database.engine import Database
from penstock.errors import InvalidInput, LimitReached, NotFound, SetupError
from penstock.names import check_owner, check_relative_path
from penstock.staging.storage import REQUIRED, Storage, check_values, needed
from penstock.staging.urls import is_remote

log = structlog.get_logger(__name__)
MOST = 100  # of one owner
LARGEST_VALUE = 1 << 16
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,254}")
_REGION = re.compile(r"[A-Za-z0-9-]{0,63}")


@dataclass(frozen=True)
class Asked:
    """What an owner wants to store. ``values`` are the secret ones."""

    name: str
    scheme: str
    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)


class CredentialService:
    """``key`` is the server's own."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def put(self, owner: str, asked: Asked) -> Credential:
        """Store it, in the place of one of the same name: what starts from now on uses the new values."""
        values = _checked(asked)
        now = now_us()
        made = Credential(
            check_owner(owner), asked.name, asked.scheme, asked.bucket, asked.prefix.strip("/"), asked.endpoint,
            asked.region, b"", now, now,
        )  # fmt: skip
        made = replace(made, sealed=seal(self._key, values, made.bound))
        return await self._database.write(lambda connection: _put(connection, made))

    async def of_owner(self, owner: str | None) -> list[Credential]:
        """An owner's, or everybody's; their values stay sealed."""
        return await self._database.read(lambda connection: store.of_owner(connection, owner))

    async def remove(self, owner: str, name: str) -> None:
        """What starts from now on does not have it; NotFound."""
        if not await self._database.write(lambda connection: store.remove(connection, owner, name)):
            raise NotFound(f"There is no storage credential {name!r}.")

    async def check(self, owner: str, names: Sequence[str]) -> None:
        """InvalidInput for the first name that the owner has not stored."""
        known = {one.name for one in await self.of_owner(owner)} if names else set()
        for name in names:
            if name not in known:
                raise InvalidInput(f"There is no storage credential {name!r}.", hint="Store it first.")

    async def for_urls(self, owner: str, names: Sequence[str], urls: Sequence[str]) -> list[Storage]:
        """The owner's credentials that these URLs need, unsealed; of those named, or of all if none is."""
        if not any(is_remote(url) for url in urls):
            return []
        mine = [one for one in await self.of_owner(owner) if not names or one.name in names]
        wanted = {one.name for one in needed(urls, [_storage(one, {}) for one in mine])}
        return [found for one in mine if one.name in wanted and (found := self._unsealed(one)) is not None]

    async def reseal(self, old_key: bytes) -> int:
        """Seal with this server's key what was sealed with its old one; how many that were."""

        def change(connection: Connection) -> int:
            count = 0
            for one in store.of_owner(connection, None):
                if not _opens(self._key, one):
                    values = unseal(old_key, one.sealed, one.bound)
                    store.put(connection, replace(one, sealed=seal(self._key, values, one.bound)))
                    count += 1
            return count

        return await self._database.write(change)

    def _unsealed(self, one: Credential) -> Storage | None:
        try:
            return _storage(one, unseal(self._key, one.sealed, one.bound))
        except SetupError as error:  # the transfer will say that access is denied
            log.warning("storage credential cannot be read", owner=one.owner, name=one.name, reason=str(error))
            return None


def _put(connection: Connection, made: Credential) -> Credential:
    mine = {one.name: one for one in store.of_owner(connection, made.owner)}
    if made.name not in mine and len(mine) >= MOST:
        raise LimitReached(f"{made.owner!r} has {MOST} storage credentials already.", hint="Remove one first.")
    if made.name in mine:
        made = replace(made, created_us=mine[made.name].created_us)
    store.put(connection, made)
    return made


def _checked(asked: Asked) -> dict[str, str]:
    """The values of ``asked`` if all of it is right. No message repeats a value."""
    if not _NAME.fullmatch(asked.name):
        raise InvalidInput(f"{asked.name!r} cannot name a credential.", hint="Use up to 63 of a-z, 0-9 and '-'.")
    if asked.scheme not in REQUIRED:
        raise InvalidInput(f"There are no credentials for {asked.scheme!r}.", hint=f"Use {', '.join(REQUIRED)}.")
    if not _BUCKET.fullmatch(asked.bucket) or not _REGION.fullmatch(asked.region):
        raise InvalidInput(f"The bucket {asked.bucket!r} or the region {asked.region!r} cannot be one.")
    if asked.prefix.strip("/"):
        check_relative_path(asked.prefix.strip("/"))
    if asked.endpoint:
        _check_endpoint(asked.endpoint)
    values = {str(name): value for name, value in asked.values.items()}
    if not all(isinstance(value, str) and len(value) <= LARGEST_VALUE for value in values.values()):
        raise InvalidInput(f"The values of {asked.name!r} must be texts of at most {LARGEST_VALUE} characters.")
    wrong = check_values(asked.scheme, values)
    if wrong:
        raise InvalidInput(f"The values of {asked.name!r} are not those of {asked.scheme}: {'; '.join(wrong)}.")
    if asked.scheme == "gs":
        _check_service_account(values["service_account_key"])
    return values


def _check_endpoint(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        right = parts.scheme in ("http", "https") and parts.hostname and not parts.query and not parts.fragment
        right = right and parts.port != 0
    except ValueError:
        right = False
    if not right or "@" in endpoint:
        raise InvalidInput("The endpoint is no plain address.", hint="Use https://<host>[:<port>].")


def _check_service_account(text: str) -> None:
    try:
        right = {"private_key", "client_email"} <= json.loads(text).keys()
    except (ValueError, AttributeError):
        right = False
    if not right:
        raise InvalidInput("The service_account_key is not the JSON of a service account's key.")


def _opens(key: bytes, one: Credential) -> bool:
    try:
        unseal(key, one.sealed, one.bound)
    except SetupError:
        return False
    return True


def _storage(one: Credential, values: dict[str, str]) -> Storage:
    return Storage.model_validate(
        {
            "name": one.name, "scheme": one.scheme, "bucket": one.bucket, "prefix": one.prefix,
            "endpoint": one.endpoint, "region": one.region, "secret": values,
        }
    )  # fmt: skip
