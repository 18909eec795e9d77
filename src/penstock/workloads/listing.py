"""The page that a browser shows for a workload's downloads, and the same as a document. Pure."""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote

from penstock.clock import iso
from penstock.workloads.models import HAS_RESULTS, Result, Workload
from penstock.workloads.results import ARCHIVE, FILES, MANIFEST, REPORT

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; --accent: #0a6e8a; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin: 0; } p { margin: .4rem 0; } .soft { color: var(--soft); }
.state { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .7rem; font-size: .85rem; }
.whole a { display: inline-block; margin: 1rem .6rem 1rem 0; padding: .4rem .9rem; border-radius: .4rem;
  border: 1px solid var(--accent); text-decoration: none; }
a { color: var(--accent); } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
th { font-size: .8rem; color: var(--soft); font-weight: 600; } td.size { text-align: right; white-space: nowrap; }
td.digest { font: .75rem ui-monospace, monospace; color: var(--soft); overflow-wrap: anywhere; }
"""


def listing_document(workload: Workload) -> dict[str, Any]:
    """What there is to download; addresses are relative to this one."""
    whole = {"archive": ARCHIVE, "manifest": MANIFEST} if _downloadable(workload) else {}
    files = [{**one.model_dump(), "url": _link(one)} for one in _results(workload)]
    return {"id": workload.id, "state": workload.state.value, "reason": workload.reason, **whole, "results": files}


def listing_page(workload: Workload) -> str:
    """The same for people."""
    title = escape(workload.name or f"{workload.pipeline} {workload.version}")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Penstock</title><style>{_STYLE}</style></head><body>
<h1>{title} <span class="state">{workload.state.value}</span></h1>
<p class="soft">Workload {workload.id} · pipeline {escape(workload.pipeline)} {escape(workload.version)}
 · {iso(workload.updated_us)[:16].replace("T", " ")} UTC</p>
{_message(workload)}{_whole(workload)}{_table(workload)}</body></html>
"""


def size_text(size: int) -> str:
    """Bytes for people, in powers of 1000: 1.2 MB."""
    value, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.95 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{size} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _message(workload: Workload) -> str:
    if workload.reason:
        return f"<p>{escape(workload.reason)}</p>"
    return "" if workload.state in HAS_RESULTS else "<p>There are no results yet. Load this page again later.</p>"


def _whole(workload: Workload) -> str:
    if not _downloadable(workload):
        return ""
    links = [(ARCHIVE, f"Everything ({ARCHIVE})"), *_report(workload), (MANIFEST, "Checksums")]
    buttons = "".join(f'<a href="{url}">{text}</a>' for url, text in links)
    return f'<p class="whole">{buttons}</p>'


def _report(workload: Workload) -> list[tuple[str, str]]:
    return [(_link(one), "Report") for one in _results(workload) if one.name == REPORT]


def _table(workload: Workload) -> str:
    rows = "".join(
        f'<tr><td><a href="{escape(_link(one))}">{escape(one.name)}</a></td>'
        f'<td class="size">{size_text(one.size)}</td><td class="digest">{one.sha256}</td></tr>'
        for one in _results(workload)
    )
    return f"<table><tr><th>File</th><th>Size</th><th>SHA-256</th></tr>{rows}</table>" if rows else ""


def _results(workload: Workload) -> tuple[Result, ...]:
    return workload.results if workload.state in HAS_RESULTS else ()


def _downloadable(workload: Workload) -> bool:
    return bool(_results(workload))


def _link(result: Result) -> str:
    return f"{FILES}/{quote(result.name)}"
