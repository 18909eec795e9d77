"""Fair share: properties that hold for all owners, weights and lines, against a simple model of a site."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.tasks.models import Kind
from penstock.tasks.turns import Candidate, Line, Turns

WEIGHTS = st.dictionaries(st.sampled_from(["ada", "bob", "eve"]), st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1)


class Model:
    """A site of some slots whose tasks all take one tick: what each owner has queued, held and been served."""

    def __init__(self, slots: int, weights: dict[str, float]) -> None:
        self.slots, self.weights = slots, weights
        self.queued: Counter[str] = Counter()
        self.served: dict[str, float] = {}
        self.present = 0.0

    def tick(self) -> list[str]:
        """Lease for every slot; whose tasks ran."""
        lines = [
            Line(owner, [_task(owner)] * count, 0, self.served.get(owner, self.present), self.weights.get(owner, 1.0))
            for owner, count in self.queued.items()
        ]
        turns = Turns(lines, self.present)
        ran: list[str] = []
        while len(ran) < self.slots and (candidate := turns.candidate()) is not None:
            ran.append(candidate.task)
            turns.lease()
        self.served |= turns.served
        self.present = turns.present
        self.queued -= Counter(ran)
        return ran


def _task(owner: str) -> Candidate:
    return Candidate(owner, Kind.PROCESS, 1, 1, 0)


def _all(turns: Turns) -> list[str]:
    found = []
    while (candidate := turns.candidate()) is not None:
        found.append(candidate.task)
        turns.lease()
    return found


def _line(owner: str, *tasks: str, held: int = 0, served: float = 0.0, most: int | None = None) -> Line:
    return Line(owner, [Candidate(one, Kind.PROCESS, 1, 1, 0) for one in tasks], held, served, most=most)


@settings(max_examples=60)
@given(ticks=st.integers(0, 30), slots=st.integers(1, 3), weight=st.sampled_from([1.0, 2.0, 5.0]))
def test_who_comes_late_waits_for_one_turn_at_most(ticks: int, slots: int, weight: float) -> None:
    site = Model(slots, {"crowd": weight})
    site.queued["crowd"] = 10_000
    for _ in range(ticks):
        site.tick()
    site.queued["late"] = 1
    assert "late" in site.tick() + site.tick()


@settings(max_examples=60)
@given(weights=WEIGHTS, slots=st.integers(1, 4))
def test_owners_that_always_wait_are_served_by_their_weights(weights: dict[str, float], slots: int) -> None:
    site = Model(slots, weights)
    site.queued.update(dict.fromkeys(weights, 10_000))
    ran = Counter(one for _ in range(120) for one in site.tick())
    if slots == 1:  # with more, what is held at once decides, in whole tasks
        for one in weights:
            assert abs(ran[one] - 120 * weights[one] / sum(weights.values())) <= 2 * len(weights)
    assert min(ran[one] for one in weights) > 0
    assert sum(ran.values()) == 120 * slots


@settings(max_examples=60)
@given(arrivals=st.lists(st.tuples(st.sampled_from(["ada", "bob", "eve"]), st.integers(0, 3)), max_size=40))
def test_no_turn_is_wasted_and_every_task_runs(arrivals: list[tuple[str, int]]) -> None:
    site = Model(2, {})
    for owner, count in arrivals:
        site.queued[owner] += count
        waiting = sum(site.queued.values())
        assert len(site.tick()) == min(2, waiting)
    while any(site.queued.values()):
        assert site.tick()


def test_nobody_saves_turns_up_while_away() -> None:
    site = Model(1, {})
    site.queued["ada"] = 1
    site.tick()
    site.queued["bob"] = 100
    for _ in range(50):
        site.tick()
    site.queued["ada"] = 100
    ran = Counter(site.tick()[0] for _ in range(20))
    assert abs(ran["ada"] - ran["bob"]) <= 2


def test_who_holds_less_is_first_whoever_was_served_more() -> None:
    lines = [_line("ada", "a1", "a2", held=3, served=0), _line("bob", "b1", "b2", held=1, served=99)]
    assert _all(Turns(lines)) == ["b1", "b2", "a1", "a2"]


def test_an_owner_keeps_the_order_of_its_line() -> None:
    assert _all(Turns([_line("ada", "1", "2", "3")])) == ["1", "2", "3"]


def test_an_owner_at_its_limit_is_passed_over() -> None:
    assert _all(Turns([_line("ada", "a1", "a2", most=1), _line("bob", "b1", most=0)])) == ["a1"]


def test_a_candidate_that_is_skipped_costs_its_owner_nothing() -> None:
    turns = Turns([_line("ada", "large", "small"), _line("bob", "b1")])
    turns.skip()
    assert turns.served == {}
    assert _all(turns) == ["small", "b1"]
