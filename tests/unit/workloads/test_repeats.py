"""Creates that are sent again: over SQLite and PostgreSQL, one key makes one workload."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from penstock.errors import Conflict, InvalidInput, KeyReused, LimitReached
from penstock.workloads import repeats
from penstock.workloads.accounts import matches
from penstock.workloads.anonymous import stranger
from penstock.workloads.models import GivenInput, State, Submission
from penstock.workloads.repeats import key_of, parts_of

RANDOM = "f" * 32
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def submission(content: str = "ab", **fields: Any) -> Submission:
    one = GivenInput(role="text", name="a.txt", size=len(content), sha256=content[:1] * 64)
    return Submission(pipeline="lines", inputs=[one], **fields)


@pytest.mark.parametrize("text", ["", '""', '"', "a b", "ä", "a,b", "a" * 129, 'a"b', "a\\b", "x\ny"])
def test_what_cannot_be_a_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key is"):
        key_of("ada", text, submission())


def test_a_quoted_key_is_the_same_as_a_bare_one() -> None:
    assert key_of("ada", ' "8e03978e-40d5" ', submission()) == key_of("ada", "8e03978e-40d5", submission())


def test_keys_of_different_owners_never_meet() -> None:
    assert key_of("ada", RANDOM, submission()).name != key_of("bob", RANDOM, submission()).name


def test_strangers_share_their_keys_which_must_be_long() -> None:
    assert key_of(stranger(), RANDOM, submission()) == key_of(stranger(), RANDOM, submission())
    with pytest.raises(InvalidInput, match=r"31 characters.* 128 random bits"):
        key_of(stranger(), RANDOM[1:], submission())


def test_the_key_itself_is_not_kept() -> None:
    assert RANDOM not in repr(key_of("ada", RANDOM, submission()))


def test_what_is_left_out_means_the_default() -> None:
    assert parts_of(submission()) == parts_of(submission(version=None, parameters={}, name=None))


async def test_the_same_create_again_answers_the_same_workload_with_a_new_secret(house: Any) -> None:
    first = await house.workloads.create("ada", submission(), "key-1")
    again = await house.workloads.create("ada", submission(), "key-1")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.workload == first.workload
    assert [one.id for one in again.uploads] == [one.id for one in first.uploads]
    accounts = house.workloads.downloads.accounts
    await accounts.check(first.workload.id, again.account, again.secret)
    assert first.secret != again.secret
    account = await accounts.find(first.workload.id)
    assert account is not None
    assert not matches(account, first.account, first.secret)


async def test_without_a_key_each_create_makes_a_workload(house: Any) -> None:
    first, second = [await house.workloads.create("ada", submission()) for _ in range(2)]
    assert first.workload.id != second.workload.id


async def test_another_owner_s_workload_is_not_found_by_its_key(house: Any) -> None:
    first = await house.workloads.create("ada", submission(), RANDOM)
    assert (await house.workloads.create("bob", submission(), RANDOM)).workload.id != first.workload.id


async def test_a_repeat_tells_what_has_arrived(house: Any) -> None:
    new = await house.workloads.create("ada", submission("abc"), "key-1")
    await house.send(new, 0, b"a")
    again = await house.workloads.create("ada", submission("abc"), "key-1")
    assert again.offsets == {new.uploads[0].id: 1}


async def test_many_at_once_make_one_workload(house: Any) -> None:
    made = await asyncio.gather(*(house.workloads.create("ada", submission(), "key-1") for _ in range(8)))
    assert len({one.workload.id for one in made}) == 1
    assert sorted(one.repeated for one in made) == [False] + [True] * 7
    assert len(await house.workloads.page("ada", None, None, 10)) == 1


async def test_a_repeat_needs_no_room_and_no_quota(house: Any) -> None:
    house.free = house.settings.workspace_reserve + 2
    await house.workloads.create("ada", submission(), "key-1")
    assert (await house.workloads.create("ada", submission(), "key-1")).repeated


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (submission("abc"), "another inputs before"),
        (submission(parameters={"a": 1}), "another parameters before"),
        (submission(name="x", version="1"), "another name and another version before"),
    ],
)
async def test_a_key_with_another_submission_is_refused_by_what_differs(
    house: Any, other: Submission, told: str
) -> None:
    new = await house.workloads.create("ada", submission(), "key-1")
    with pytest.raises(KeyReused, match=told) as caught:
        await house.workloads.create("ada", other, "key-1")
    assert new.workload.id in caught.value.hint


@pytest.mark.parametrize("state", [State.PREPARING, State.RUNNING, State.SUCCEEDED, State.CANCELED])
async def test_a_workload_that_is_past_its_uploads_is_named_and_keeps_its_secret(house: Any, state: State) -> None:
    new = await house.workloads.create("ada", submission(), "key-1")
    await house.workloads.stop()
    await house.set_state(new.workload.id, state)
    with pytest.raises(Conflict, match=f"{new.workload.id}, which is {state.value} by now"):
        await house.workloads.create("ada", submission(), "key-1")
    await house.workloads.downloads.accounts.check(new.workload.id, new.account, new.secret)


async def test_an_old_workload_is_not_answered_again(house: Any) -> None:
    new = await house.workloads.create("ada", submission("abc"), "key-1")
    for _ in range(2):
        house.later(60)
        await house.send(new, 0, b"a")
    with pytest.raises(Conflict, match="UPLOADING"):
        await house.workloads.create("ada", submission("abc"), "key-1")


async def test_what_had_nothing_to_send_is_answered_again_however_far_it_is(house: Any) -> None:
    empty = Submission(pipeline="lines", inputs=[GivenInput(role="text", name="a.txt", size=0, sha256=EMPTY)])
    new = await house.workloads.create("ada", empty, "key-1")
    await house.until(new.workload.id, State.QUEUED)
    again = await house.workloads.create("ada", empty, "key-1")
    assert (again.workload.id, again.workload.state) == (new.workload.id, State.QUEUED)
    await house.finish(new.workload.id)
    assert (await house.workloads.create("ada", empty, "key-1")).workload.state is State.SUCCEEDED


async def test_a_key_goes_with_its_workload(house: Any) -> None:
    new = await house.workloads.create("ada", submission(), "key-1")
    house.later(100)
    await house.until_gone(new.workload.id)
    assert (await house.workloads.create("ada", submission(), "key-1")).workload.id != new.workload.id


async def test_there_is_an_end_to_repeating(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_REPEATS", 2)
    for _ in range(3):
        await house.workloads.create("ada", submission(), "key-1")
    with pytest.raises(LimitReached, match="repeated 2 times"):
        await house.workloads.create("ada", submission(), "key-1")


async def test_a_stranger_s_repeat_finds_the_stranger(house: Any) -> None:
    first = await house.workloads.create_anonymous(submission(), RANDOM)
    again = await house.workloads.create_anonymous(submission(), RANDOM)
    other = await house.workloads.create_anonymous(submission(), RANDOM.upper())
    assert again.workload == first.workload
    assert other.workload.owner != first.workload.owner
