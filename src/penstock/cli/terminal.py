"""What is written where: data on stdout, words for people on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import PenstockError

if TYPE_CHECKING:  # rich takes a tenth of a second that `penstock --help` need not wait for
    from rich.console import Console
    from rich.table import Table

WIDE = 10_000
Column = tuple[str, str]  # heading, and "left" or "right"


def stderr() -> Console:
    """Where people are spoken to. Made anew, since a test, or a shell's redirection, may have changed the stream."""
    from rich.console import Console

    return _unwrapped(Console(stderr=True, highlight=False, soft_wrap=True, emoji=False))


def stdout() -> Console:
    """Where tables and texts go that were asked for; without a terminal no line is wrapped."""
    from rich.console import Console

    return _unwrapped(Console(highlight=False, emoji=False))


def _unwrapped(console: Console) -> Console:
    if not console.is_terminal:
        console.width = WIDE
    return console


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def print_text(text: str) -> None:
    """A text on stdout, as it is."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def print_error(error: PenstockError) -> None:
    """One line on what was wrong and, if there is one, a hint."""
    print_problem(error.message, error.hint)


def print_problem(message: str, hint: str = "") -> None:
    """The one form of every error."""
    from rich.text import Text

    line = Text.assemble(("error: ", "bold red"), " ".join(message.split()))
    stderr().print(line)
    if hint:
        stderr().print(Text.assemble(("hint: ", "bold cyan"), hint))


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, gap: int = 2) -> Table:
    """A table without frames; no word is ever cut in two. A cell may be rich Text."""
    from rich.table import Table
    from rich.text import Text

    cells = [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in rows]
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for at, (heading, side) in enumerate(columns):
        longest = max(
            len(word) for text in [heading, *(row[at].plain for row in cells)] for word in [*text.split(), ""]
        )
        made.add_column(heading, justify="right" if side == "right" else "left", min_width=longest)
    for row in cells:
        made.add_row(*row)
    return made


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def fitting(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> tuple[Table, int]:
    """A table that is no wider than the console, and how many columns of its right side that left out."""
    for shown in range(len(columns), 1, -1):
        for gap in (2, 1):
            made = table(columns[:shown], [row[:shown] for row in rows], gap=gap)
            if console.measure(made, options=console.options.update(max_width=WIDE)).minimum <= console.width:
                return made, len(columns) - shown
    return table(columns, rows), 0


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, below: bool = False) -> None:
    """A table on stdout, with an empty line before it if it stands ``below`` something."""
    show_table(stdout(), columns, rows, below=below)


def show_table(
    console: Console, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, below: bool = False
) -> None:
    """A table on ``console``. Rich fills every line up to the table's width, which no program wants to read."""
    if below:
        console.print()
    if console.is_terminal:
        console.print(table(columns, rows), soft_wrap=False)
        return
    with console.capture() as captured:
        console.print(table(columns, rows))
    for line in captured.get().splitlines():
        console.file.write(line.rstrip() + "\n")


_STYLES = {
    "SUCCEEDED": "green",
    "COMPLETE": "green",
    "ACKNOWLEDGED": "green",
    "FAILED": "red",
    "EXECUTOR_ERROR": "red",
    "SYSTEM_ERROR": "red",
    "EXPIRED": "red",
    "CANCELED": "yellow",
    "CANCELING": "yellow",
    "RUNNING": "cyan",
}


def state(name: str) -> Any:  # noqa: ANN401 - rich Text, which is not imported here
    """A state in its colour."""
    from rich.text import Text

    return Text(name, style=_STYLES.get(name, ""))
