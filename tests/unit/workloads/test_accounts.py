"""Accounts of downloads."""

from __future__ import annotations

import pytest

from penstock.database.engine import Database
from penstock.errors import NotAuthenticated
from penstock.names import new_id
from penstock.workloads import accounts as subject
from penstock.workloads.accounts import Accounts, Slowness, chosen_account, matches, new_account


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
    assert compared == ["w"]
    assert waited == [pytest.approx(subject.WRONG_SECRET_S, abs=0.2)]


async def test_an_account_that_is_nobodys_opens_nothing(database: Database) -> None:
    async def pause(_seconds: float) -> None:
        return None

    for secret in ("", "\0" * 32):
        with pytest.raises(NotAuthenticated):
            await Accounts(database, pause).check(new_id(), "nobody", secret)


def test_each_wrong_secret_waits_twice_as_long_as_the_one_before_until_they_are_forgiven() -> None:
    now = [0.0]
    slowness = Slowness(lambda: now[0])
    assert [slowness.next_s("a") for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert slowness.next_s("b") == 0.5
    now[0] += subject.FORGIVEN_S + 1
    assert slowness.next_s("a") == 0.5


def test_what_strangers_try_takes_no_memory_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "MOST_REMEMBERED", 10)
    slowness = Slowness()
    for number in range(100):
        slowness.next_s(f"{number}")
    assert len(slowness._wrong) == 10


def test_a_chosen_secret_opens_and_no_other_does() -> None:
    hashed = "$6$abcdefgh$KQeXafAQAaOoKTevphVU215RvJdgzyfASRasIOuh12hO8u0r1bGW92ZnTmC9IjsiQ8VPiTXBiZF49dFL1U4wX/"
    account = chosen_account(new_id(), "ada", hashed, 7)
    assert matches(account, "ada", "pw")
    assert not matches(account, "bob", "pw")
    assert not matches(account, "ada", "pW")
    assert not matches(account, "ada", hashed)
    assert hashed not in repr(account)
