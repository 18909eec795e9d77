"""Pictures of a workload's report, as SVG that a browser draws without help. Pure.

Colours are classes: the page says what they are by day, by night and on paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from penstock.workloads.listing import size_text
from penstock.workloads.record import Phase, Run

HUES = 8
WIDTH, LABEL, RIGHT = 920, 200, 70
ROW, THIN = 22, 9
MOST_ROWS, MOST_BARS = 48, 4000
LONGEST_LABEL = 30
PHASES = {"UPLOADING": "p0", "PREPARING": "p1", "QUEUED": "p2", "RUNNING": "p3", "PACKING": "p4"}
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


def seconds_text(seconds: float) -> str:
    """A duration for people: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min."""
    if round(seconds, 1) < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def hues(runs: Iterable[Run]) -> dict[str, str]:
    """The class of each rule's colour, in the order in which the rules began."""
    names = dict.fromkeys(run.rule for run in runs)
    return {name: f"c{number % HUES}" for number, name in enumerate(names)}


def timeline(runs: Sequence[Run]) -> str:
    """When each process waited and ran: a row for each; where they are many, as few rows as they fit into."""
    if not runs:
        return ""
    shown = sorted(sorted(runs, key=lambda run: -run.seconds)[:MOST_BARS], key=lambda run: (run.start_us, run.name))
    named = len(shown) <= MOST_ROWS
    rows = list(range(len(shown))) if named else lanes(shown)
    row, left = (ROW, LABEL) if named else (THIN, 10)
    first = min(run.asked_us if named else run.start_us for run in shown)
    span = max(1, max(run.end_us for run in shown) - first)
    scale = (WIDTH - left - RIGHT) / span
    height = row * (max(rows) + 1) + 26
    colours = hues(runs)
    bars = "".join(
        _bar(run, left + (run.start_us - first) * scale, at * row, row, scale, colours[run.rule])
        + (_words(run, left, first, at * row, scale) if named else "")
        for run, at in zip(shown, rows, strict=True)
    )
    left_out = len(runs) - len(shown)
    more = f'<p class="soft">The {left_out} shortest processes are not drawn.</p>' if left_out else ""
    return f"{_open(height, 'When each process ran')}{_axis(span / 1e6, left, scale * 1e6, height)}{bars}</svg>{more}"


def lanes(runs: Sequence[Run]) -> list[int]:
    """A row for each, such that no two overlap; ``runs`` are in the order in which they began."""
    free: list[int] = []
    rows = []
    for run in runs:
        row = next((at for at, until in enumerate(free) if until <= run.start_us), len(free))
        free[row : row + 1] = [max(run.end_us, run.start_us + 1)]
        rows.append(row)
    return rows


def phases(found: Sequence[Phase]) -> str:
    """Where the time went, as one bar."""
    whole = sum(phase.seconds for phase in found)
    if not whole:
        return ""
    at, bars = 0.0, ""
    for phase in found:
        width = phase.seconds / whole * WIDTH
        bars += f'<rect class="{_hue(phase)}" x="{at:.1f}" y="0" width="{max(width, 1):.1f}" height="26">'
        bars += f"<title>{_told(phase)}</title></rect>"
        at += width
    return _open(26, "Where the time went", "bar") + bars + "</svg>" + _legend(found)


def bar(value: float, most: float, hue: str, asked: float | None = None) -> str:
    """A small bar for a cell of a table; ``asked`` is a mark."""
    width = 0 if not most else value / most * 100
    mark = "" if asked is None or not most else f'<path class="mark" d="M{asked / most * 100:.1f} 0v8"/>'
    picture = f'<rect class="track" width="100" height="8"/><rect class="{hue}" width="{width:.1f}" height="8"/>{mark}'
    return f'<svg class="cell" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">{picture}</svg>'


def dot(hue: str) -> str:
    """A spot of a rule's colour."""
    return f'<svg class="dot" viewBox="0 0 10 10" aria-hidden="true"><circle class="{hue}" cx="5" cy="5" r="5"/></svg>'


def legend(colours: Mapping[str, str]) -> str:
    """Which rule has which colour."""
    entries = "".join(f"<span>{dot(hue)}{escape(name)}</span>" for name, hue in colours.items())
    return f'<p class="legend">{entries}</p>'


def _hue(phase: Phase) -> str:
    return PHASES.get(phase.state, "p0")


def _told(phase: Phase) -> str:
    return f"{escape(phase.state.capitalize())} {seconds_text(phase.seconds)}"


def _legend(found: Sequence[Phase]) -> str:
    entries = "".join(f"<span>{dot(_hue(phase))}{_told(phase)}</span>" for phase in found)
    return f'<p class="legend">{entries}</p>'


def _bar(run: Run, x: float, y: float, row: int, scale: float, hue: str) -> str:
    width = max(1.5, (run.end_us - run.start_us) * scale)
    words = f"{run.name}: {seconds_text(run.seconds)}, {seconds_text(run.cpu_s)} of CPU, {size_text(run.peak_bytes)}"
    failed = "" if run.succeeded else " bad"
    words += "" if run.succeeded else f", {run.state}"
    gap = 6 if row == ROW else 2
    place = f'x="{x:.1f}" y="{y + gap / 2:.1f}" width="{width:.1f}" height="{row - gap}"'
    round_by = 2 if row == ROW else 1
    return f'<rect class="{hue}{failed}" {place} rx="{round_by}"><title>{escape(words)}</title></rect>'


def _words(run: Run, left: float, first: int, y: float, scale: float) -> str:
    name = run.name if len(run.name) <= LONGEST_LABEL else f"{run.name[: LONGEST_LABEL - 1]}…"
    middle, asked = y + ROW / 2, left + (run.asked_us - first) * scale
    start, end = left + (run.start_us - first) * scale, left + (run.end_us - first) * scale
    took = f"{seconds_text(run.seconds)}{'' if run.succeeded else ' ✗'}"
    return (
        f'<text x="{left - 10}" y="{middle + 4}" class="name">{escape(name)}</text>'
        f'<path class="wait" d="M{asked:.1f} {middle:.1f}H{start:.1f}"/>'
        f'<text x="{max(end, start + 2) + 6:.1f}" y="{middle + 4}" class="quiet">{took}</text>'
    )


def _axis(span_s: float, left: float, scale: float, height: int) -> str:
    step = next((one for one in _STEPS_S if span_s / one <= 8), span_s / 4)
    marks = [number * step for number in range(int(span_s / step) + 1)]
    return "".join(
        f'<path class="grid" d="M{left + at * scale:.1f} 0V{height - 20}"/>'
        f'<text x="{left + at * scale:.1f}" y="{height - 5}" class="tick">{_tick(at, step)}</text>'
        for at in marks
    )


def _tick(at: float, step: float) -> str:
    if at == 0:
        return "0"
    if step < 1:
        return f"{at:.1f} s"
    if step < 60:
        return f"{at:.0f} s" if at < 60 else f"{at // 60:.0f}:{at % 60:02.0f} min"
    return f"{at / 60:.0f} min" if step < 3600 else f"{at / 3600:.0f} h"


def _open(height: float, title: str, kind: str = "chart") -> str:
    shape = ' preserveAspectRatio="none"' if kind == "bar" else ""
    return f'<svg class="{kind}" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{title}"{shape}>'
