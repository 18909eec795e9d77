"""Sites in the database: their sizes, their tags, and which agent holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from penstock.clock import now_us
from penstock.tasks.room import Room
from penstock.tasks.tables import LIVE, attempts, sites

_SEEN = update(sites).where(sites.c.name == bindparam("site"), sites.c.incarnation == bindparam("by"))
_EVERYONE = select(sites).order_by(sites.c.name)


@dataclass(frozen=True)
class Site:
    """A site that has registered; it stays known while its agent is away, so that its tasks wait for it."""

    name: str
    room: Room
    tags: Mapping[str, str]
    seen_us: int = 0
    mounts_workspace: bool = True

    def has(self, wanted: Mapping[str, str]) -> bool:
        """Whether it has all these tags."""
        return wanted.items() <= self.tags.items()


def register(
    connection: Connection, name: str, incarnation: str, total: Room, tags: Mapping[str, str], *, mounts: bool
) -> None:
    """Enter a site, or let a new incarnation take it over."""
    values = {
        "incarnation": incarnation,
        "tags": json.dumps(dict(tags)),
        **total.model_dump(),
        "mounts_workspace": int(mounts),
        "seen_us": now_us(),
    }
    if connection.execute(update(sites).where(sites.c.name == name).values(values)).rowcount == 0:
        connection.execute(insert(sites).values(name=name, **values))
    connection.execute(update(attempts).where(attempts.c.site == name, LIVE).values(incarnation=incarnation))


def incarnation_of(connection: Connection, site: str) -> str | None:
    """The incarnation that holds the site; None if it never registered."""
    return connection.execute(select(sites.c.incarnation).where(sites.c.name == site)).scalar_one_or_none()


def seen(connection: Connection, site: str, incarnation: str) -> bool:
    """Note that the site's agent was heard of; False if this incarnation does not hold the site."""
    told = {"site": site, "by": incarnation, "seen_us": now_us()}
    return connection.execute(_SEEN, told).rowcount == 1


def everyone(connection: Connection) -> list[Site]:
    """Every site, by name."""
    return [
        Site(row.name, Room.model_validate(row._mapping), json.loads(row.tags), row.seen_us, bool(row.mounts_workspace))
        for row in connection.execute(_EVERYONE)
    ]


def find(connection: Connection, name: str) -> Site:
    """A site that has registered."""
    return next(site for site in everyone(connection) if site.name == name)


def at_present(connection: Connection, site: Site, room: Room | None) -> Site:
    """The site with the room that it has now (None: what it registered with).

    More than it had is noted. Less is not: what needs the nodes that are lost waits for them, and is not refused.
    """
    if room is None or room == site.room:
        return site
    most = site.room.or_more(room)
    if most != site.room:
        connection.execute(update(sites).where(sites.c.name == site.name).values(most.model_dump()))
    return replace(site, room=room)


def remove(connection: Connection, name: str) -> bool:
    """Forget a site: nothing waits for it any more. An agent of it that still runs enters it again."""
    return connection.execute(delete(sites).where(sites.c.name == name)).rowcount == 1
