"""Storage credentials: sealed, bound to what they open, for their owner only."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.credentials import service, store
from penstock.credentials.models import Credential
from penstock.credentials.sealing import seal, unseal
from penstock.credentials.service import Asked, CredentialService
from penstock.database.engine import Database
from penstock.errors import InvalidInput, LimitReached, NotFound, SetupError

VALUES = {"access_key_id": "key", "secret_access_key": "very-secret-words"}
LAB = Asked("lab", "s3", "reads", "", "https://s3.example", "", VALUES)


@pytest.fixture
def credentials(database: Database) -> CredentialService:
    return CredentialService(database, b"k" * 32)


async def test_values_come_back_for_the_urls_they_open(credentials: CredentialService) -> None:
    await credentials.put("ada", LAB)
    [found] = await credentials.for_urls("ada", [], ["s3://reads/x", "https://h/x", "file:///workspace/x"])
    assert (found.name, found.endpoint, found.secret) == ("lab", "https://s3.example", VALUES)
    assert await credentials.for_urls("ada", [], ["s3://other/x"]) == []


async def test_nobody_else_gets_them(credentials: CredentialService) -> None:
    await credentials.put("ada", LAB)
    assert await credentials.for_urls("bob", [], ["s3://reads/x"]) == []
    with pytest.raises(NotFound):
        await credentials.remove("bob", "lab")
    with pytest.raises(InvalidInput, match="no storage credential 'lab'"):
        await credentials.check("bob", ["lab"])
    await credentials.check("ada", ["lab"])


async def test_the_narrowest_is_used_unless_others_are_named(credentials: CredentialService) -> None:
    await credentials.put("ada", LAB)
    await credentials.put("ada", replace(LAB, name="zoo", prefix="private/"))
    urls = ["s3://reads/private/x"]
    assert [one.name for one in await credentials.for_urls("ada", [], urls)] == ["zoo"]
    assert [one.name for one in await credentials.for_urls("ada", ["lab"], urls)] == ["lab"]
    assert [one.name for one in await credentials.for_urls("ada", [], ["s3://reads/privatex"])] == ["lab"]


async def test_nothing_secret_is_in_the_database_or_shown(credentials: CredentialService, tmp_path: Path) -> None:
    made = await credentials.put("ada", LAB)
    [stored] = await credentials.of_owner("ada")
    [given] = await credentials.for_urls("ada", [], ["s3://reads/x"])
    assert "very-secret-words" not in f"{made} {stored} {given} {LAB}"
    assert not any(b"very-secret-words" in file.read_bytes() for file in tmp_path.glob("penstock.db*"))


@pytest.mark.parametrize("field", ["owner", "name", "bucket", "endpoint", "prefix", "region"])
async def test_what_they_open_cannot_be_changed_behind_their_back(
    credentials: CredentialService, database: Database, field: str
) -> None:
    made = await credentials.put("ada", LAB)
    change: Callable[..., Credential] = replace
    changed = change(made, **{field: "eve"})
    with pytest.raises(SetupError, match="sealed with another key, or changed"):
        unseal(b"k" * 32, changed.sealed, changed.bound)
    await database.write(lambda connection: store.put(connection, changed))
    url = f"s3://{changed.bucket}/eve/x"
    found = await credentials.for_urls(changed.owner, [changed.name], [url])
    assert found == []


def test_the_same_values_are_never_sealed_the_same() -> None:
    assert seal(b"k", VALUES, ["a", "b"]) != seal(b"k", VALUES, ["a", "b"])


async def test_new_values_take_the_place_of_the_old(credentials: CredentialService) -> None:
    first = await credentials.put("ada", LAB)
    again = await credentials.put("ada", replace(LAB, values={**VALUES, "session_token": "t"}))
    assert again.created_us == first.created_us
    [found] = await credentials.for_urls("ada", [], ["s3://reads/x"])
    assert found.secret["session_token"] == "t"
    await credentials.remove("ada", "lab")
    assert await credentials.of_owner(None) == []


async def test_after_a_change_of_the_key_they_are_sealed_anew(
    credentials: CredentialService, database: Database
) -> None:
    await credentials.put("ada", LAB)
    renewed = CredentialService(database, b"n" * 32)
    assert await renewed.for_urls("ada", [], ["s3://reads/x"]) == []
    with pytest.raises(SetupError):
        await renewed.reseal(b"wrong")
    assert [await renewed.reseal(b"k" * 32), await renewed.reseal(b"k" * 32)] == [1, 0]
    assert len(await renewed.for_urls("ada", [], ["s3://reads/x"])) == 1


async def test_an_owner_has_a_limit(credentials: CredentialService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "MOST", 1)
    await credentials.put("ada", LAB)
    await credentials.put("ada", LAB)
    with pytest.raises(LimitReached, match="has 1 storage credentials"):
        await credentials.put("ada", replace(LAB, name="more"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Lab"}, "'Lab' cannot name"),
        ({"name": "a/b"}, "cannot name"),
        ({"scheme": "http"}, "no credentials for 'http'"),
        ({"bucket": ""}, "bucket"),
        ({"bucket": "a/b"}, "bucket"),
        ({"region": "a b"}, "region"),
        ({"prefix": "../x"}, "not allowed"),
        ({"endpoint": "ftp://x"}, "plain address"),
        ({"endpoint": "https://me:very-secret-words@x"}, "plain address"),
        ({"endpoint": "https://x:99999"}, "plain address"),
        ({"values": {}}, "access_key_id, secret_access_key missing"),
        ({"values": {**VALUES, "other": "very-secret-words"}}, "unknown"),
        ({"values": {**VALUES, "secret_access_key": ""}}, "secret_access_key is empty"),
        ({"values": {**VALUES, "secret_access_key": ["very-secret-words"]}}, "must be texts"),
        ({"scheme": "gs", "values": {"service_account_key": "very-secret-words"}}, "not the JSON"),
        ({"scheme": "gs", "values": {"service_account_key": json.dumps(["very-secret-words"])}}, "not the JSON"),
    ],
)
async def test_what_is_wrong_is_said_without_the_values(
    credentials: CredentialService, change: dict[str, object], said: str
) -> None:
    make: Callable[..., Asked] = replace
    with pytest.raises(InvalidInput, match=said) as caught:
        await credentials.put("ada", make(LAB, **change))
    assert "very-secret-words" not in str(caught.value)
