"""One picture of a workload: depth of each sample above, calls by kind and quality below, along the genome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from findings import Bin, Call
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision can tell apart.
KIND_STYLES = {
    "snv": ("#0072B2", "o"),
    "insertion": ("#009E73", "^"),
    "deletion": ("#D55E00", "v"),
    "mnv": ("#CC79A7", "s"),
    "complex": ("#E69F00", "D"),
}
SAMPLE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MOST_IN_LEGEND = 12
UNITS = ((1_000_000, "Mb"), (1_000, "kb"), (1, "b"))
LONGEST_LABEL = 32
LEAST_SHOWN = 1.0  # of the qualities: the axis is logarithmic


def draw(
    contigs: Mapping[str, int],
    depths: Mapping[str, Sequence[Bin]],
    calls: Sequence[Call],
    min_quality: float,
    target: str,
) -> None:
    """Write the picture as PNG. Contigs stand one after the other, in the genome's order."""
    offsets = dict(zip(contigs, accumulate(contigs.values(), initial=0), strict=False))
    total = sum(contigs.values())
    scale, unit = next((scale, unit) for scale, unit in UNITS if total >= 2 * scale or scale == 1)
    figure = Figure(figsize=(11, 6.2), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1.15]})
    _depths(above, depths, offsets, scale)
    _calls(below, calls, offsets, scale, min_quality)
    for axes in (above, below):
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        for start in list(offsets.values())[1:]:
            axes.axvline(start / scale, color="#bbbbbb", linewidth=0.6)
    below.set_xlim(0, total / scale)
    below.set_xlabel(f"{_place(contigs)} ({unit})")
    figure.suptitle(_title(depths, calls, total, scale, unit), fontsize=12, fontweight="bold")
    figure.savefig(target, metadata={"Software": None})


def _depths(axes: Axes, depths: Mapping[str, Sequence[Bin]], offsets: Mapping[str, int], scale: int) -> None:
    for number, (sample, bins) in enumerate(depths.items()):
        if not bins:
            continue
        edges = [(offsets[each.contig] + each.start) / scale for each in bins]
        edges.append((offsets[bins[-1].contig] + bins[-1].end) / scale)
        colour = SAMPLE_COLOURS[number % len(SAMPLE_COLOURS)]
        axes.stairs([each.depth for each in bins], edges, color=colour, linewidth=1.1, label=_label(sample))
    axes.set_ylabel("depth (reads per base)")
    axes.set_ylim(bottom=0)
    if any(depths.values()) and len(depths) <= MOST_IN_LEGEND:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9, title="sample")


def _calls(axes: Axes, calls: Sequence[Call], offsets: Mapping[str, int], scale: int, min_quality: float) -> None:
    for kind, (colour, marker) in KIND_STYLES.items():
        chosen = [call for call in calls if call.kind == kind]
        axes.scatter(
            [(offsets[call.contig] + call.position) / scale for call in chosen],
            [max(call.quality, LEAST_SHOWN) for call in chosen],
            s=20,
            color=colour,
            marker=marker,
            alpha=0.75,
            linewidths=0,
            label=f"{kind} ({len(chosen)})",
        )
    axes.axhline(
        max(min_quality, LEAST_SHOWN),
        color="#555555",
        linewidth=0.9,
        linestyle="--",
        label=f"passes from {min_quality:g}",
    )
    axes.set_yscale("log")
    axes.set_ylabel(f"quality (Phred; < {LEAST_SHOWN:g} drawn as {LEAST_SHOWN:g})")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=9, title="kind of call")


def _place(contigs: Iterable[str]) -> str:
    names = list(contigs)
    if len(names) == 1:
        return f"position on {_label(names[0])}"
    return f"position along {len(names)} sequences, one after the other"


def _label(name: str) -> str:
    """A name as matplotlib shows it: '$' would begin a formula, and a leading '_' would hide it from the legend."""
    short = name if len(name) <= LONGEST_LABEL else f"{name[:LONGEST_LABEL]}…"
    visible = f" {short}" if short.startswith("_") else short
    return visible.replace("$", r"\$")


def _title(depths: Mapping[str, object], calls: Sequence[Call], total: int, scale: int, unit: str) -> str:
    samples = "1 sample" if len(depths) == 1 else f"{len(depths)} samples"
    passed = sum(call.passed for call in calls)
    return f"{passed:,} of {len(calls):,} calls pass, in {samples} over {total / scale:,.4g} {unit}"
