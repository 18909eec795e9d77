"""The one retry policy of clients."""

from __future__ import annotations

import threading

import pytest

from penstock.client.patience import Patience, Stopped
from penstock.errors import Draining, NotFound, StoreAway, Unreachable


def failing(times: int, error: Exception) -> tuple[list[int], object]:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error
        return "done"

    return calls, call


@pytest.mark.parametrize("error", [Unreachable("gone"), Draining("stopping"), StoreAway("away")])
def test_what_does_not_answer_is_asked_again(patience: Patience, error: Exception) -> None:
    calls, call = failing(3, error)
    assert patience.insist(call) == "done"  # type: ignore[arg-type]
    assert len(calls) == 4


def test_an_answer_that_says_no_is_final(patience: Patience) -> None:
    calls, call = failing(1, NotFound("no"))
    with pytest.raises(NotFound):
        patience.insist(call)  # type: ignore[arg-type]
    assert len(calls) == 1


def test_the_limit_ends_it_with_the_last_error() -> None:
    patience = Patience(0.0, lambda *_: None, first_pause_s=0.0)
    _, call = failing(100, Unreachable("gone"))
    with pytest.raises(Unreachable, match="gone"):
        patience.insist(call)  # type: ignore[arg-type]


def test_each_wait_is_told_with_what_is_left() -> None:
    told: list[tuple[str, float]] = []
    patience = Patience(5.0, lambda error, left: told.append((error.message, left)), first_pause_s=0.0)
    _, call = failing(2, Unreachable("gone"))
    patience.insist(call)  # type: ignore[arg-type]
    assert [message for message, _ in told] == ["gone", "gone"]
    assert all(0 < left <= 5 for _, left in told)


def test_a_step_forward_starts_the_limit_anew() -> None:
    patience = Patience(0.0, lambda *_: None, first_pause_s=0.0)
    trial = patience.begin()
    with pytest.raises(Unreachable):
        trial.failed(Unreachable("first"))
    generous = Patience(60.0, lambda *_: None, first_pause_s=0.0)
    trial = generous.begin()
    for _ in range(50):
        trial.failed(Unreachable("again"))
        trial.advanced()


def test_stop_ends_a_wait_in_another_thread() -> None:
    waiting = threading.Event()
    patience = Patience(600.0, lambda *_: waiting.set(), first_pause_s=600.0)
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            patience.begin().failed(Unreachable("gone"))
        except Stopped:
            ended.append(Stopped)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(10)
    patience.stop()
    thread.join(10)
    assert ended == [Stopped]


def test_after_a_stop_nothing_more_is_tried_until_it_goes_on(patience: Patience) -> None:
    patience.stop()
    with pytest.raises(Stopped):
        patience.check()
    with pytest.raises(Stopped):
        patience.begin().failed(Unreachable("gone"))
    patience.go_on()
    patience.check()
