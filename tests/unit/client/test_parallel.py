"""Several transfers at once."""

from __future__ import annotations

import threading

import pytest

from penstock.client.parallel import THREADS, at_once
from penstock.client.patience import Patience, Stopped
from penstock.errors import StorageFull


def test_results_come_in_the_order_of_the_items(patience: Patience) -> None:
    assert at_once(lambda number: number * 2, range(20), patience) == list(range(0, 40, 2))


def test_nothing_to_do_is_done(patience: Patience) -> None:
    assert at_once(lambda _: None, [], patience) == []


def test_several_go_on_at_once(patience: Patience) -> None:
    together = threading.Barrier(THREADS, timeout=10)
    at_once(lambda _: together.wait(), range(THREADS), patience)


def test_an_error_stops_the_others_and_is_the_one_that_is_told(patience: Patience) -> None:
    started = threading.Barrier(2, timeout=10)
    stopped: list[bool] = []

    def work(number: int) -> None:
        started.wait()
        if number == 1:
            raise StorageFull("full")
        try:
            patience.pause(60)
        except Stopped:
            stopped.append(True)
            raise

    with pytest.raises(StorageFull, match="full"):
        at_once(work, range(2), patience)
    assert stopped == [True]
    patience.check()


def test_what_has_not_begun_when_one_fails_never_begins(patience: Patience) -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise StorageFull("full")
        patience.pause(60)

    with pytest.raises(StorageFull):
        at_once(work, range(100), patience)
    assert len(begun) <= THREADS + 1


def test_an_interruption_does_not_wait_for_threads(patience: Patience) -> None:
    release = threading.Event()

    def work(number: int) -> None:
        if number == 0:
            raise KeyboardInterrupt
        release.wait(60)

    with pytest.raises(KeyboardInterrupt):
        at_once(work, range(2), patience)
    release.set()
    with pytest.raises(Stopped):
        patience.check()
