"""Lists of an owner's tasks, newest first, from indexes alone.

Each condition has an index that yields the ids that meet it; all but the one of names yield them newest first. Which
of them is short cannot be known beforehand, so each in turn may look at some ids, then each at ten times as many,
until one has filled the page or come to its end. So a page costs what the best of them costs, times a constant, and
nothing grows with what is stored: not for a filter that matches everything, nor for one that matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, literal, select, true

from penstock.tasks.models import State
from penstock.tasks.tables import tags, tasks

FIRST_LOOK, GROWTH = 512, 10
LARGEST_CHARACTER = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)


@dataclass(frozen=True)
class Filter:
    """What a list of tasks is narrowed to. ``tags`` are (key, value) pairs; an empty value matches any."""

    owner: str
    state: State | None = None
    name_prefix: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    before: str | None = None  # only tasks with a smaller id: the next page of newest first
    limit: int = 256


@dataclass(frozen=True)
class Brief:
    """What TES's MINIMAL view and a check of who owns a task need."""

    id: str
    owner: str
    workload: str | None
    state: State


@dataclass(frozen=True)
class Index:
    """One condition with the index that finds it: ``ids`` yields task ids, newest first if ``ordered``."""

    ids: Select[Any]
    condition: ColumnElement[bool]
    ordered: bool = True


def page(connection: Connection, wanted: Filter) -> list[str]:
    """The ids of the newest tasks that match, at most ``wanted.limit``."""
    indexes = _indexes(wanted)
    look = max(FIRST_LOOK, wanted.limit)
    while True:
        for index in indexes:
            found = _look(connection, indexes, index, wanted.limit, look)
            if found is not None:
                return found
        look *= GROWTH


def _look(connection: Connection, indexes: list[Index], index: Index, limit: int, look: int) -> list[str] | None:
    """The page as this index finds it among its first ``look`` ids; None if it can be told only by looking further."""
    first = index.ids.limit(look).subquery()
    others = and_(true(), *(other.condition for other in indexes if other is not index))
    matching = select(tasks.c.id).where(tasks.c.id.in_(select(first.c[0])), others)
    found = list(connection.execute(matching.order_by(_plain(tasks.c.id).desc()).limit(limit)).scalars())
    if index.ordered and len(found) == limit:
        return found
    more = connection.execute(index.ids.offset(look).limit(1)).one_or_none()
    return found if more is None else None


def _indexes(wanted: Filter) -> list[Index]:
    """The indexes that can find what is wanted, those first that are likely to be short."""
    found = [*_by_name(wanted), *_by_tags(wanted)]
    newest = select(tasks.c.id).where(tasks.c.owner == wanted.owner).order_by(tasks.c.id.desc())
    condition = _plain(tasks.c.owner) == wanted.owner
    if wanted.state is not None:
        newest = newest.where(tasks.c.state == wanted.state.value)
        condition &= _plain(tasks.c.state) == wanted.state.value
    return [*found, Index(_before(newest, tasks.c.id, wanted), condition)]


def _by_name(wanted: Filter) -> Iterator[Index]:
    if wanted.name_prefix:
        ids = select(tasks.c.id).where(tasks.c.owner == wanted.owner, _between(tasks.c.name, wanted.name_prefix))
        condition = _between(_plain(tasks.c.name), wanted.name_prefix)
        yield Index(_before(ids, tasks.c.id, wanted), condition, ordered=False)


def _by_tags(wanted: Filter) -> Iterator[Index]:
    for key, value in wanted.tags:
        mine = (tags.c.owner == wanted.owner) & (tags.c.key == key)
        if value:
            mine &= tags.c.value == value
        has = select(literal(1)).where(tags.c.task == tasks.c.id, tags.c.key == key)
        has = has.where(tags.c.value == value) if value else has
        ids = select(tags.c.task).where(mine).order_by(tags.c.task.desc())
        yield Index(_before(ids, tags.c.task, wanted), has.correlate(tasks).exists())


def _between(name: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    end = _after_all_with(prefix)
    return name >= prefix if end is None else (name >= prefix) & (name < end)


def _plain(column: ColumnElement[str]) -> ColumnElement[str]:
    """The column as an expression that no index knows, lest a database looks at more ids than it was given."""
    return column.concat("")


def _before(ids: Select[Any], column: ColumnElement[str], wanted: Filter) -> Select[Any]:
    return ids if wanted.before is None else ids.where(column < wanted.before)


def _after_all_with(prefix: str) -> str | None:
    """The first text, by code point, after all that begin with ``prefix``; None if there is none."""
    head, last = prefix[:-1], ord(prefix[-1])
    if last == LARGEST_CHARACTER:
        return _after_all_with(head) if head else None
    following = last + 1
    return head + chr(SURROGATES.stop if following in SURROGATES else following)
