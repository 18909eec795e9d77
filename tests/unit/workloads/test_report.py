"""The page about a workload."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.workloads.telling import HOSTILE, RECORD, run

from penstock.workloads.charts import MOST_BARS, lanes, seconds_text, timeline
from penstock.workloads.highlights import Highlights, Picture, look_at
from penstock.workloads.models import Result
from penstock.workloads.report import report

VOID = {"meta", "img", "br"}
KNOWN = {"html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "span", "p", "code", "br", "div", "b"}
KNOWN |= {"section", "svg", "rect", "text", "path", "circle", "table", "tr", "th", "td", "a", "footer"}
KNOWN |= {"img", "figure", "figcaption"}
HIGHLIGHTS = Highlights(
    summary=((HOSTILE, "calls_of_all"), ("a", HOSTILE)), pictures=(Picture(HOSTILE, "image/png", b"\x89PNG"),)
)


class Reader(HTMLParser):
    """What a browser sees: elements, balanced, with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page_of(**more: object) -> str:
    return report(replace(RECORD, **more), HIGHLIGHTS).decode()  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [{}, {"state": "FAILED", "reason": HOSTILE}, {"runs": (), "results": ()}])
def test_no_name_gets_out_of_its_place(more: dict[str, object]) -> None:
    reader = Reader(page_of(**more))
    assert reader.open == []
    assert reader.seen <= KNOWN
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name == "style"]
    assert "".join(reader.words).count(HOSTILE) >= 4


def test_the_page_needs_nothing_but_itself() -> None:
    reader = Reader(page_of())
    links = [value for name, value in reader.attributes if name in ("href", "src", "xlink:href", "action")]
    assert all(link.startswith(("./", "data:image/png;base64,")) for link in links)
    assert "url(" not in page_of()
    assert "@import" not in page_of()


def test_a_secret_of_a_url_is_not_shown() -> None:
    assert "secret" not in page_of()
    assert "password" not in page_of()
    assert "https://example.org/r.fa" in page_of()


def test_the_report_shows_processes_rules_results_and_digests() -> None:
    page = page_of()
    for words in ("align[a]", "7.0 s", "200.0 MB of 1.0 GB", "calls of a.vcf.gz", "bwa 0.7.17", "3" * 64, "d" * 64):
        assert words in page
    assert "calls of all" in page
    assert "1 tried again" in page


def test_a_failure_says_why_and_names_the_processes() -> None:
    runs = (*RECORD.runs, run("call[x]", 9, 10, state="EXECUTOR_ERROR"))
    page = page_of(state="FAILED", reason="call: the reference is empty", runs=runs)
    assert 'class="reason">call: the reference is empty' in page
    assert "<td>call[x]</td><td>EXECUTOR_ERROR</td>" in page
    assert "What the processes said" in page


def test_a_report_of_nothing_is_a_page_all_the_same() -> None:
    page = report(replace(RECORD, runs=(), results=(), tools=(), inputs={}, phases=())).decode()
    assert page.endswith("</body></html>\n")
    assert "<svg" not in page


def test_a_name_that_is_no_unicode_does_not_stop_it() -> None:
    assert report(replace(RECORD, title="\udcff")).endswith(b"</html>\n")


def test_each_process_has_a_row_with_its_wait() -> None:
    picture = timeline([run("a", 1, 2), run("b", 2, 4)])
    assert picture.count("<rect") == 2
    assert picture.count('class="wait"') == 2
    assert 'aria-label="When each process ran"' in picture


def test_many_processes_share_rows_and_the_longest_are_drawn() -> None:
    many = [run(f"r[{n}]", n + 1, n + 1.5) for n in range(MOST_BARS)]
    picture = timeline([*many, run("short", 3, 3.1)])
    assert picture.count("<rect") == MOST_BARS
    assert "The 1 shortest processes are not drawn." in picture


def test_lanes_are_as_many_as_ran_at_once() -> None:
    assert lanes([run("a", 1, 3), run("b", 2, 5), run("c", 3, 4), run("d", 6, 7)]) == [0, 1, 0, 0]


def test_axes_are_in_round_numbers() -> None:
    ticks = re.findall(r'class="tick">([^<]*)<', timeline([run("a", 0.5, 3900)]))
    assert ticks == ["0", "10 min", "20 min", "30 min", "40 min", "50 min", "60 min"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.97, "10 s"), (12.4, "12 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_what_is_shown_of_the_results_is_what_a_browser_can_show(tmp_path: Path) -> None:
    contents = {
        "s.tsv": b"sample\tcalls\na\t1\n\xff\t2\n" + b"long" * 50_000,
        "p.png": b"\x89PNG\r\n\x1a\n...",
        "no.png": b"<svg onload=x>",
        "big.jpg": b"\xff\xd8\xff" + bytes(2 << 20),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    results = [Result(name=name, size=len(content), sha256="0" * 64) for name, content in contents.items()]
    found = look_at(tmp_path, results, "s.tsv")
    assert found.summary == (("sample", "calls"), ("a", "1"), ("\ufffd", "2"), ("long" * 50,))
    assert [(one.name, one.media_type) for one in found.pictures] == [("p.png", "image/png")]
    assert look_at(tmp_path, results, "missing.tsv").summary == ()
