"""Windows of a genome, and what each process calls of them."""

from __future__ import annotations

from pathlib import Path

from align import FILLER, fillers
from hypothesis import given
from hypothesis import strategies as st
from regions import PADDING, Interval, between, contigs_of, merged, share_of, windows_of

genomes = st.lists(st.integers(1, 60_000), min_size=1, max_size=8).map(
    lambda lengths: {f"c{number}": length for number, length in enumerate(lengths)}
)


def covered(intervals: list[Interval]) -> list[tuple[str, int, int]]:
    """Adjacent intervals joined: what they cover together, in their order."""
    found: list[tuple[str, int, int]] = []
    for each in intervals:
        if found and found[-1][0] == each.contig and found[-1][2] == each.start:
            found[-1] = (each.contig, found[-1][1], each.end)
        else:
            found.append((each.contig, each.start, each.end))
    return found


@given(genomes, st.integers(0, 10**9), st.integers(1, 10**8))
def test_windows_cover_the_genome_once_and_in_order(genome: dict[str, int], bases: int, window_bases: int) -> None:
    windows = windows_of(genome, bases, window_bases)
    assert all(windows)
    whole = covered([interval for window in windows for interval in window])
    assert whole == [(contig, 0, length) for contig, length in genome.items()]


@given(genomes, st.dictionaries(st.sampled_from(["c0", "c1", "c9"]), st.lists(st.integers(-5, 70_000))))
def test_windows_can_be_cut_anywhere(genome: dict[str, int], borders: dict[str, list[int]]) -> None:
    windows = windows_of(genome, 1, 1, borders)
    whole = covered([interval for window in windows for interval in window])
    assert whole == [(contig, 0, length) for contig, length in genome.items()]
    for contig, cuts in borders.items():
        starts = {interval.start for window in windows for interval in window if interval.contig == contig}
        assert {cut for cut in cuts if 0 < cut < genome.get(contig, 0)} <= starts


@given(st.integers(1, 40), st.integers(1, 20))
def test_every_window_is_called_by_exactly_one_process(count: int, parts: int) -> None:
    windows = [[Interval("c", number, number + 1)] for number in range(count)]
    shares = [window for part in range(parts) for window in share_of(windows, part, parts)]
    assert shares == windows


def test_few_reads_are_called_in_one_window() -> None:
    assert windows_of({"a": 48_502}, 2_000_000, 40_000_000) == [[Interval("a", 0, 48_502)]]


def test_many_reads_are_called_in_windows_that_follow_from_the_data_alone() -> None:
    windows = windows_of({"a": 60_000, "b": 60_000}, 120_000_000, 40_000_000)
    assert windows == [
        [Interval("a", 0, 40_000)],
        [Interval("a", 40_000, 60_000), Interval("b", 0, 20_000)],
        [Interval("b", 20_000, 60_000)],
    ]


def test_an_interval_of_contigs_in_a_row_knows_their_borders() -> None:
    assert between({"a": 10, "b": 5, "c": 10}, 8, 17) == [
        Interval("a", 8, 10),
        Interval("b", 0, 5),
        Interval("c", 0, 2),
    ]


def test_padding_stays_within_the_contig() -> None:
    assert Interval("a", 10, 20).padded(25) == Interval("a", 0, 25)
    assert Interval("a", 5000, 6000).padded(10_000) == Interval("a", 5000 - PADDING, 6000 + PADDING)


def test_intervals_that_touch_become_one_in_the_genome_s_order() -> None:
    mixed = [Interval("b", 5, 9), Interval("a", 10, 20), Interval("b", 0, 5), Interval("a", 0, 4)]
    assert merged(mixed, ["b", "a"]) == [Interval("b", 0, 9), Interval("a", 0, 4), Interval("a", 10, 20)]


def test_lengths_are_read_from_an_index(tmp_path: Path) -> None:
    (tmp_path / "x.fai").write_text("gi|9|ref|N.1|\t48502\t70\t70\t71\nb\t3\t9\t1\t2\n")
    assert contigs_of(str(tmp_path / "x.fai")) == {"gi|9|ref|N.1|": 48502, "b": 3}


@given(st.integers(0, 3000), st.integers(1, 200).map(lambda half: 2 * half))
def test_fillers_are_as_many_reads_as_asked_for_and_the_last_one_ends_a_batch(reads: int, batch: int) -> None:
    lengths = [len(text.splitlines()[1]) for text in b"".join(fillers(reads, batch)).decode().split(f">{FILLER}")[1:]]
    assert len(lengths) == reads
    size = 0
    ends = []
    for number, length in enumerate(lengths, start=1):
        size += length
        if size >= batch:
            ends.append(number)
            size = 0
    assert size == 0
    assert ends[-1:] == ([reads] if reads else [])
