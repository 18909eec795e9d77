"""``penstock admin collect``: the garbage collector by hand, or from a playbook."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from penstock import collector
from penstock.cli.admin_database import on_database
from penstock.cli.terminal import print_json
from penstock.settings import Settings


def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find what belongs to nothing in the workspace, and remove it; what is younger than ten minutes stays."""
    workspace = Settings().workspace_path
    orphans = collector.find(workspace, on_database(lambda database: database.read(collector.known)))
    if not dry_run:
        collector.remove(workspace, orphans)
    size = sum(orphan.bytes for orphan in orphans)
    if json:
        print_json({"orphans": [vars(orphan) for orphan in orphans], "bytes": size, "removed": not dry_run})
        return
    table = Table("path", "bytes", "why")
    for orphan in orphans:
        table.add_row(orphan.path, str(orphan.bytes), orphan.reason)
    if orphans:
        Console().print(table)
    Console().print(f"{len(orphans)} orphans, {size} bytes{' (a dry run: nothing was removed)' if dry_run else ''}")
