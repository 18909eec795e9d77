"""``report.html``: what ran, how long, on what, for people. One file without scripts, pictures as SVG. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from html import escape
from urllib.parse import quote

import penstock
from penstock.clock import iso
from penstock.staging.urls import shown
from penstock.workloads.charts import MOST_ROWS, bar, dot, hues, lanes, legend, phases, seconds_text, timeline
from penstock.workloads.highlights import MOST_ROWS as MOST_ROWS_OF_SUMMARY
from penstock.workloads.highlights import NOTHING, Highlights, Picture
from penstock.workloads.listing import size_text
from penstock.workloads.models import Result
from penstock.workloads.record import Record, Run
from penstock.workloads.report_style import STYLE

MOST_FILES = 2000
MOST_FAILED = 50


def report(record: Record, highlights: Highlights = NOTHING) -> bytes:
    """The page."""
    workload = record.workload
    title = escape(workload.name or record.title)
    sections = [
        _section("Summary", _summary(highlights.summary)),
        _section("Pictures", "".join(map(_picture, highlights.pictures))),
        _section("Where the time went", phases(record.phases)),
        _section("When each process ran", _processes(record.runs)),
        _section("What each rule used", _rules(record.runs)),
        _section("Processes that failed", _failed(record.runs)),
        _section("Results" if record.succeeded else "What the processes said", _results(record.results)),
        _section("Inputs", _inputs(record)),
        _section("Parameters", _table(("name", "value"), _parameters(record))),
        _section("Programs", _programs(record)),
    ]
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    parts = [
        f'<!doctype html>\n<html lang="en"><head>{head}<title>{title} · Penstock</title><style>{STYLE}</style></head>',
        "<body>",
        _heading(record, title),
        _facts(record),
        *(section for section in sections if section),
        f'<footer class="soft">Made by Penstock {escape(penstock.__version__)}. For programs, the same is in'
        " ro-crate-metadata.json.</footer>",
        "</body></html>\n",
    ]
    return "\n".join(part for part in parts if part).encode(errors="replace")


def _heading(record: Record, title: str) -> str:
    workload = record.workload
    badge = f'<span class="state {"good" if record.succeeded else "bad"}">{escape(record.state.lower())}</span>'
    name = f"{escape(workload.pipeline)} {escape(workload.version)}"
    subtitle = f"{escape(record.title)} ({name})" if record.title != workload.pipeline else name
    lines = f'<header><h1>{title} {badge}</h1><p class="soft">{subtitle} · workload <code>{workload.id}</code><br>'
    lines += f"{_moment(workload.created_us)} to {_moment(record.ended_us)} UTC</p></header>"
    return lines + (f'<p class="reason">{escape(record.reason)}</p>' if record.reason else "")


def _facts(record: Record) -> str:
    runs = record.runs
    facts = [("in all", seconds_text((record.ended_us - record.workload.created_us) / 1e6))]
    if runs:
        again = sum(run.attempts - 1 for run in runs)
        facts += [
            ("computing", seconds_text((max(run.end_us for run in runs) - min(run.start_us for run in runs)) / 1e6)),
            ("of CPU", seconds_text(sum(run.cpu_s for run in runs))),
            ("most memory of a process", size_text(max(run.peak_bytes for run in runs))),
            (f"processes{f', {again} tried again' if again else ''}", str(len(runs))),
            ("at once", str(max(lanes(runs)) + 1)),
        ]
    if record.succeeded:
        facts.append((f"in {_count(len(record.results), 'file')}", size_text(sum(one.size for one in record.results))))
    cells = "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in facts)
    return f'<div class="facts">{cells}</div>'


def _summary(rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(cell.replace('_', ' '))}</th>" for cell in rows[0]) if rows else ""
    lines = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[1:])
    more = '<p class="soft">The first lines; the file has more.</p>' if len(rows) == MOST_ROWS_OF_SUMMARY else ""
    return f'<table class="summary"><tr>{heads}</tr>{lines}</table>{more}' if rows else ""


def _picture(picture: Picture) -> str:
    content = base64.b64encode(picture.content).decode()
    name = escape(picture.name)
    image = f'<img alt="{name}" src="data:{picture.media_type};base64,{content}">'
    return f"<figure>{image}<figcaption>{name}</figcaption></figure>"


def _processes(runs: Sequence[Run]) -> str:
    picture = timeline(runs)
    if not picture:
        return ""
    key = '<p class="soft">A thin line is the time that a process waited for its turn.</p>'
    return picture + (key if len(runs) <= MOST_ROWS else legend(hues(runs)))


def _rules(runs: Sequence[Run]) -> str:
    by_rule = {name: [run for run in runs if run.rule == name] for name in hues(runs)}
    if not by_rule:
        return ""
    cpu = {name: sum(run.cpu_s for run in mine) for name, mine in by_rule.items()}
    peak = {name: max(run.peak_bytes for run in mine) for name, mine in by_rule.items()}
    asked = {name: max(run.ram_bytes for run in mine) for name, mine in by_rule.items()}
    most = max(*peak.values(), *asked.values(), 1)
    rows = []
    for name, hue in hues(runs).items():
        mine = by_rule[name]
        cells = [
            f'<td class="rule">{dot(hue)}{escape(name)}</td>',
            _number(str(len(mine))),
            _number(seconds_text(sum(run.seconds for run in mine) / len(mine))),
            _number(seconds_text(max(run.seconds for run in mine))),
            _number(f"{seconds_text(cpu[name])}{bar(cpu[name], max(cpu.values()), hue)}"),
            _number(f"{size_text(peak[name])} of {size_text(asked[name])}{bar(peak[name], most, hue, asked[name])}"),
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    names = ("processes", "mean time", "longest", "CPU time", "most memory, of what it asked for")
    heads = "".join(f'<th class="n">{head}</th>' for head in names)
    return f'<table class="rules"><tr><th>rule</th>{heads}</tr>{"".join(rows)}</table>'


def _failed(runs: Sequence[Run]) -> str:
    bad = [run for run in runs if not run.succeeded]
    rows = [(run.name, run.state, _count(run.attempts, "attempt"), run.site) for run in bad[:MOST_FAILED]]
    more = f'<p class="soft">and {len(bad) - MOST_FAILED} more</p>' if len(bad) > MOST_FAILED else ""
    return _table(("process", "state", "tried", "site"), rows) + more


def _results(results: Sequence[Result]) -> str:
    rows = "".join(
        f'<tr><td><a href="./{escape(quote(one.name))}">{escape(one.name)}</a></td>{_number(size_text(one.size))}'
        f'<td class="digest">{one.sha256}</td></tr>'
        for one in results[:MOST_FILES]
    )
    more = f'<p class="soft">and {len(results) - MOST_FILES} more</p>' if len(results) > MOST_FILES else ""
    top = '<tr><th>file</th><th class="n">size</th><th>SHA-256</th></tr>'
    return f"<table>{top}{rows}</table>{more}" if rows else ""


def _inputs(record: Record) -> str:
    given = {one.member: one for one in record.workload.inputs}
    rows = []
    for member, sha256 in list(record.inputs.items())[:MOST_FILES]:
        url, size = given[member].url, given[member].size
        source = f'<br><span class="soft">{escape(shown(url))}</span>' if url else ""
        file = f"<td>{escape(member)}{source}</td>{_number('' if size is None else size_text(size))}"
        rows.append(f'<tr>{file}<td class="digest">{sha256}</td></tr>')
    left_out = len(record.inputs) - MOST_FILES
    more = f'<p class="soft">and {left_out} more</p>' if left_out > 0 else ""
    top = '<tr><th>role/file</th><th class="n">size</th><th>SHA-256</th></tr>'
    return f"<table>{top}{''.join(rows)}</table>{more}" if rows else ""


def _parameters(record: Record) -> list[tuple[str, str]]:
    given = record.workload.parameters
    return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in given.items()]


def _programs(record: Record) -> str:
    images = sorted({image for run in record.runs for image in run.images})
    sites = sorted({run.site for run in record.runs})
    rows = [
        ("pipeline", f"{record.workload.pipeline} {record.workload.version}"),
        ("its files", f"sha256:{record.digest}" if record.digest else ""),
        ("programs", ", ".join(record.tools)),
        ("images", ", ".join(images)),
        ("sites", ", ".join(sites)),
    ]
    return _table((), [row for row in rows if row[1]])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    top = f"<tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>" if heads else ""
    return f"<table>{top}{''.join(f'<tr>{line}</tr>' for line in lines)}</table>" if lines else ""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>" if body else ""


def _number(text: str) -> str:
    return f'<td class="n">{text}</td>'


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _moment(at_us: int) -> str:
    return iso(at_us)[:19].replace("T", " ")
