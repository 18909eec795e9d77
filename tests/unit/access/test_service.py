"""Tokens: shown once, stored as hashes, checked in one place."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from penstock.access import store
from penstock.access.models import Principal
from penstock.access.service import AccessService, load_key
from penstock.access.store import tokens
from penstock.clock import now_us
from penstock.database.engine import Database
from penstock.errors import InvalidInput, NotAuthenticated
from penstock.names import new_id


@pytest.fixture
def access(database: Database) -> AccessService:
    return AccessService(database, b"key", None)


async def test_a_token_stands_for_its_owner_and_scopes(access: AccessService) -> None:
    secret = await access.issue("ada", ["tasks", "agent:local"])
    who = await access.principal(secret)
    assert (who.owner, who.may("tasks"), who.may("agent:local"), who.may("admin")) == ("ada", True, True, False)


async def test_the_secret_is_not_in_the_database(access: AccessService, database: Database) -> None:
    secret = await access.issue("ada", ["tasks"])
    rows = await database.read(lambda connection: connection.execute(select(tokens)).all())
    assert len(rows) == 1
    assert secret.rpartition("_")[2] not in str(rows)


@pytest.mark.parametrize("change", ["", "x", "pst", "pst_", "pst__", "basic"])
async def test_what_is_no_token_is_refused(access: AccessService, change: str) -> None:
    with pytest.raises(NotAuthenticated):
        await access.principal(change)


async def test_a_wrong_secret_is_refused(access: AccessService) -> None:
    secret = await access.issue("ada", ["tasks"])
    with pytest.raises(NotAuthenticated):
        await access.principal(secret[:-1] + ("a" if secret[-1] != "a" else "b"))


async def test_an_expired_token_is_refused(access: AccessService) -> None:
    with pytest.raises(NotAuthenticated):
        await access.principal(await access.issue("ada", ["tasks"], lifetime_s=-1))


async def test_a_revoked_token_is_refused_at_once(access: AccessService, database: Database) -> None:
    secret = await access.issue("ada", ["tasks"])
    assert await database.write(lambda c: store.revoke(c, secret.split("_")[1], now_us()))
    with pytest.raises(NotAuthenticated):
        await access.principal(secret)
    assert not await database.write(lambda c: store.revoke(c, secret.split("_")[1], now_us()))


async def test_scopes_and_owners_are_checked_when_a_token_is_made(access: AccessService) -> None:
    with pytest.raises(InvalidInput, match="'root' is not a scope"):
        await access.issue("ada", ["root"])
    with pytest.raises(InvalidInput, match="cannot be an owner"):
        await access.issue("A B", ["tasks"])


async def test_an_attempts_token_lives_as_long_as_its_attempt(access: AccessService) -> None:
    attempt, live = f"{new_id()}-1", {"now": True}

    async def find(_attempt: str) -> tuple[str, str | None] | None:
        return ("ada", "w1") if live["now"] else None

    access.find_attempt = find
    token = access.attempt_token(attempt)
    assert await access.principal(token) == Principal("ada", frozenset({"tasks"}), "w1", attempt)
    with pytest.raises(NotAuthenticated):
        await access.principal(token.replace("-1_", "-2_"))
    live["now"] = False
    with pytest.raises(NotAuthenticated):
        await access.principal(token)


async def test_without_tokens_everybody_is_the_anonymous_owner(database: Database) -> None:
    who = await AccessService(database, b"key", "local").principal(None)
    assert (who.owner, who.may("anything")) == ("local", True)


async def test_a_token_that_was_chosen_elsewhere_can_be_entered(access: AccessService) -> None:
    text = f"pst_{new_id()}_{'a' * 43}"
    await access.enter(text, "agents", ["agent:far"])
    assert await access.principal(text) == Principal("agents", frozenset({"agent:far"}), token=text.split("_")[1])


@pytest.mark.parametrize(
    "text", ["", "secret", f"pst_{'x' * 26}_{'a' * 43}", f"pst_{'0' * 26}_{'a' * 42}", f"psa_{'0' * 26}_{'a' * 43}"]
)
async def test_what_is_no_token_cannot_be_entered(access: AccessService, text: str) -> None:
    with pytest.raises(InvalidInput, match="no token"):
        await access.enter(text, "agents", ["tasks"])


def test_the_servers_key_is_made_once_and_kept_to_itself(tmp_path: Path) -> None:
    first = load_key(tmp_path / "secrets" / "key")
    assert (len(first), load_key(tmp_path / "secrets" / "key")) == (32, first)
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o777 == 0o600
