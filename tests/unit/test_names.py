"""Ids and safe names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InvalidInput
from penstock.names import (
    attempt_id,
    check_absolute_path,
    check_owner,
    check_relative_path,
    is_id,
    new_id,
    split_attempt,
)

ID = "01hzzzzzzzzzzzzzzzzzzzzzzz"


def test_an_id_is_a_lower_case_ulid_that_sorts_by_time() -> None:
    early, late = new_id(1_000), new_id(2_000)
    assert (len(early), is_id(early), early < late) == (26, True, True)
    assert early[:10] == new_id(1_000)[:10]


def test_ids_do_not_repeat() -> None:
    assert len({new_id(1) for _ in range(1000)}) == 1000


def test_ids_of_one_millisecond_sort_by_creation_too() -> None:
    made = [new_id() for _ in range(5000)]
    assert made == sorted(set(made))


@pytest.mark.parametrize("text", ["", "x", "8" + "0" * 25, "0" * 25 + "u", "0" * 25 + "A", "0" * 27, "../" + "0" * 23])
def test_what_is_no_id_is_not_taken_for_one(text: str) -> None:
    assert not is_id(text)


def test_an_attempt_names_its_task_and_number() -> None:
    task = new_id()
    assert split_attempt(attempt_id(task, 12)) == (task, 12)


@pytest.mark.parametrize("attempt", ["", "a-1", ID, f"{ID}-", f"{ID}-x", f"{ID}-1234567"])
def test_what_is_no_attempt_is_refused_by_name(attempt: str) -> None:
    with pytest.raises(InvalidInput, match="is not the id of an attempt"):
        split_attempt(attempt)


@pytest.mark.parametrize("owner", ["ada", "a-1", "group-of-42"])
def test_an_owner_is_a_bucket_name(owner: str) -> None:
    assert check_owner(owner) == owner


@pytest.mark.parametrize("owner", ["", "ab", "Ada", "-ada", "ada-", "a.b.c", "a" * 64, "a/b", "ä-b"])
def test_other_owners_are_refused(owner: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be an owner"):
        check_owner(owner)


HOSTILE = ["", "/x", "..", "../x", "a/../b", "./a", "a//b", "a/", "a\0b", "a\nb", "a\x7f", "a" * 256, "a/" * 600 + "a"]


@pytest.mark.parametrize("path", [*HOSTILE, "\udcff"])
def test_unsafe_relative_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        check_relative_path(path)


@pytest.mark.parametrize("path", ["a", "a/b.txt", "Maß 3/ß (1).fa", "...", "a..b"])
def test_plain_relative_paths_are_kept(path: str) -> None:
    assert str(check_relative_path(path)) == path


@pytest.mark.parametrize("path", ["", "a", "/", "//a", "/a/../b", "/a/./b", "/a\nb", "/" + "a" * 300])
def test_unsafe_absolute_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        check_absolute_path(path)


def test_an_absolute_path_may_end_with_a_slash() -> None:
    assert str(check_absolute_path("/data/in/")) == "/data/in"


@given(st.text())
def test_no_text_becomes_a_path_that_leaves_its_root(text: str) -> None:
    try:
        path = check_relative_path(text)
    except InvalidInput:
        return
    assert not path.is_absolute()
    assert ".." not in path.parts
