"""Which tasks are leased next: properties that hold for every queue and every site."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from penstock.tasks.admission import PATIENCE_US, HeadRoom, never_fits, take
from penstock.tasks.admission import choose as choose_by_turns
from penstock.tasks.models import Kind
from penstock.tasks.room import Room
from penstock.tasks.sites import Site
from penstock.tasks.turns import Candidate, Line, Turns

SITE = Room(cpu_cores=4, ram_gb=8, disk_gb=10, slots=8)

amounts = st.floats(0, 5, allow_nan=False)
rooms = st.builds(Room, cpu_cores=amounts, ram_gb=amounts, disk_gb=amounts, slots=st.integers(1, 12))
processes = st.builds(
    Candidate, st.just("p"), st.just(Kind.PROCESS), amounts, amounts, amounts, st.sampled_from([0, 2 * PATIENCE_US])
)
heads = st.builds(Candidate, st.just("h"), st.just(Kind.HEAD), st.just(0.05), amounts, st.just(0.0))
queues = st.tuples(st.lists(processes, max_size=15), st.lists(heads, max_size=15)).map(lambda two: [*two[0], *two[1]])


def choose(queue: list[Candidate], free: Room, heads: HeadRoom, most: int) -> list[Candidate]:
    """With one owner: its processes, then its heads, as the queue keeps them."""
    lines = [Line("ada", [one for one in queue if one.kind is kind]) for kind in (Kind.PROCESS, Kind.HEAD)]
    return choose_by_turns([Turns([line]) for line in lines], free, heads, most)


def _process(name: str, cpu: float = 1, waiting_us: int = 0) -> Candidate:
    return Candidate(name, Kind.PROCESS, cpu, 1, 0, waiting_us)


def _head(name: str) -> Candidate:
    return Candidate(name, Kind.HEAD, 0.05, 0.5, 0)


@given(queues, rooms, st.integers(0, 10))
def test_what_is_chosen_fits_together(queue: list[Candidate], free: Room, most: int) -> None:
    chosen = choose(queue, free, HeadRoom.of(free, 0, 0), most)
    assert len(chosen) <= min(most, free.slots)
    assert sum(one.ram_gb for one in chosen) <= free.ram_gb + 1e-9
    assert sum(one.cpu_cores for one in chosen if one.kind is Kind.PROCESS) <= free.cpu_cores + 1e-9


@given(queues, rooms)
def test_heads_take_at_most_half_of_slots_and_memory(queue: list[Candidate], free: Room) -> None:
    chosen = [one for one in choose(queue, free, HeadRoom.of(free, 0, 0), 99) if one.kind is Kind.HEAD]
    assert len(chosen) <= max(1, free.slots // 2)
    assert sum(one.ram_gb for one in chosen) <= free.ram_gb / 2 + 1e-9


@given(st.lists(heads, max_size=20), processes)
def test_a_process_that_fits_is_chosen_however_many_heads_wait(waiting: list[Candidate], process: Candidate) -> None:
    if not never_fits(process, [Site("local", SITE, {})]):
        assert process in choose([process, *waiting], SITE, HeadRoom.of(SITE, 0, 0), 99)


def test_heads_that_fill_their_half_leave_room_for_processes() -> None:
    free, taken = SITE, 0
    for _ in range(100):
        chosen = choose([_head("h")], free, HeadRoom.of(SITE, taken * 0.5, taken), 1)
        if not chosen:
            break
        free, taken = take(free, chosen[0]), taken + 1
    assert taken == 4
    assert choose([_process("p", cpu=4)], free, HeadRoom.of(SITE, taken * 0.5, taken), 1)


def test_smaller_tasks_pass_one_that_does_not_fit_yet() -> None:
    queue = [_process("large", cpu=8), _process("small")]
    assert [one.task for one in choose(queue, SITE, HeadRoom.of(SITE, 0, 0), 9)] == ["small"]


def test_a_task_that_has_waited_long_is_passed_no_more() -> None:
    queue = [_process("large", cpu=8, waiting_us=PATIENCE_US + 1), _process("small")]
    assert choose(queue, SITE, HeadRoom.of(SITE, 0, 0), 9) == []


def test_without_a_site_nothing_is_said_to_never_fit() -> None:
    assert never_fits(_process("p", cpu=1000), []) == ""


def test_what_one_of_several_sites_can_run_fits() -> None:
    small = Room(cpu_cores=1, ram_gb=1, disk_gb=1, slots=1)
    assert never_fits(_process("p", cpu=3), [Site("small", small, {}), Site("large", SITE, {})]) == ""


def test_what_never_fits_is_told_with_both_sides_of_the_comparison() -> None:
    told = never_fits(Candidate("p", Kind.PROCESS, 2, 32, 0), [Site("local", SITE, {})])
    assert told == (
        "This task can never run here: it needs 2 CPU cores, 32 GB of memory, 0 GB of disk; "
        "the largest site, local, has 4 CPU cores, 8.0 GB of memory, 10.0 GB of disk."
    )


def test_what_only_all_nodes_of_a_site_have_together_never_fits() -> None:
    cluster = SITE.model_copy(update={"task_cores": 2, "task_ram_gb": 4})
    assert never_fits(_process("p", cpu=2), [Site("cluster", cluster, {})]) == ""
    assert "the largest site, cluster, has 2 CPU cores, 4.0 GB" in never_fits(
        _process("p", cpu=3), [Site("cluster", cluster, {})]
    )


def test_a_head_that_wants_more_than_its_half_never_fits() -> None:
    assert "half of the memory" in never_fits(Candidate("h", Kind.HEAD, 0.05, 5, 0), [Site("local", SITE, {})])
