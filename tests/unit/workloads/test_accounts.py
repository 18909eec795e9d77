"""Accounts of downloads."""

from __future__ import annotations

import pytest

from penstock.database.engine import Database
from penstock.errors import NotAuthenticated
from penstock.names import new_id
from penstock.workloads import accounts as subject
from penstock.workloads.accounts import Accounts, matches, new_account


def test_a_secret_has_256_bits_and_is_stored_nowhere() -> None:
    account, secret = new_account(new_id())
    assert len(secret) == 43
    assert secret.encode() not in account.salt + account.digest
    assert account.name.startswith("w")


def test_two_accounts_share_nothing() -> None:
    workload = new_id()
    (first, secret), (second, _) = new_account(workload), new_account(workload)
    assert first.salt != second.salt
    assert matches(first, first.name, secret)
    assert not matches(second, first.name, secret)


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda secret: secret[:-1], lambda secret: secret + " "])
def test_almost_the_secret_is_wrong(change: object) -> None:
    account, secret = new_account(new_id())
    assert callable(change)
    assert not matches(account, account.name, change(secret))


def test_a_name_or_secret_that_no_text_can_hold_is_just_wrong() -> None:
    account, _ = new_account(new_id())
    assert not matches(account, "\ud800", "\ud800")


def test_a_secret_is_never_taken_for_a_token() -> None:
    assert not any("_" in new_account(new_id())[1] for _ in range(200))


async def test_an_unknown_workload_costs_one_comparison_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    waited: list[float] = []

    def counting(account: object, name: str, secret: str) -> bool:
        compared.append(name)
        return False

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(subject, "matches", counting)
    with pytest.raises(NotAuthenticated):
        await Accounts(database, pause).check(new_id(), "w", "s")
    assert (compared, waited) == (["w"], [subject.WRONG_SECRET_S])


async def test_an_account_that_is_nobodys_opens_nothing(database: Database) -> None:
    async def pause(_seconds: float) -> None:
        return None

    for secret in ("", "\0" * 32):
        with pytest.raises(NotAuthenticated):
            await Accounts(database, pause).check(new_id(), "nobody", secret)
