"""What an agent is told to do: attempts to run, to end and to cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from penstock.allowances import Allowance
from penstock.database.moment import moment
from penstock.errors import Fenced, NotFound
from penstock.tasks import leases, lines, sites
from penstock.tasks.admission import choose
from penstock.tasks.leases import Held
from penstock.tasks.lines import Waiting
from penstock.tasks.models import Attempt, Kind, Task
from penstock.tasks.room import Room


@dataclass(frozen=True)
class Holder:
    """An agent: its site and its incarnation."""

    site: str
    incarnation: str


@dataclass
class Orders:
    """What an agent is told: leases to run, attempts to end (fenced) and to cancel."""

    leased: list[tuple[Task, Attempt]] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.leased or self.end or self.cancel)


@dataclass(frozen=True)
class Known:
    """What an agent knows: attempts it holds, attempts it is ending, how many more it takes, its site's size now."""

    holding: set[str]
    ending: set[str]
    most: int
    total: Room | None = None


@dataclass(frozen=True)
class Handout:
    """``lease_us``: period of a lease; ``owners``: shares and limits by owner."""

    lease_us: int
    owners: Mapping[str, Allowance]

    def orders(self, connection: Connection, holder: Holder, known: Known) -> Orders:
        """New leases if the site has room for any, and what the agent has to hear."""
        check(connection, holder)
        held = leases.held(connection, holder.site)
        live = {one.attempt for one in held}
        cancel = [one.attempt for one in held if one.canceling and one.attempt not in known.ending]
        orders = Orders(end=sorted(known.holding - live - known.ending), cancel=cancel)
        for one in sorted(live - known.holding - known.ending - set(cancel)):  # its answer was lost: tell again
            found = leases.current(connection, one)
            if found is not None:
                orders.leased.append(found)
        # An agent that holds what was taken from it may be cut off, its long-poll a dead one: it gets nothing new
        # before it has heard of that and asks again.
        if not orders.leased and not orders.end:
            orders.leased = self._lease_new(connection, holder, held, known)
        return orders

    def _lease_new(
        self, connection: Connection, holder: Holder, held: Sequence[Held], known: Known
    ) -> list[tuple[Task, Attempt]]:
        now = moment(connection)
        place = sites.at_present(connection, sites.find(connection, holder.site), known.total)
        free, heads = leases.room(place, held)
        if free.slots < 1:
            return []
        waiting = Waiting(place, now, self.owners)
        turns = [waiting.turns(connection, kind) for kind in (Kind.PROCESS, Kind.HEAD)]
        chosen = choose(turns, free, heads, known.most)
        until = now + self.lease_us
        made = [leases.lease(connection, one.task, holder.site, holder.incarnation, until) for one in chosen]
        for one in turns:
            lines.note(connection, one)
        return [pair for pair in made if pair is not None]


def check(connection: Connection, holder: Holder) -> None:
    """NotFound if the site never registered, Fenced if another agent holds it; notes that the agent was heard of."""
    if sites.seen(connection, holder.site, holder.incarnation):
        return
    if sites.incarnation_of(connection, holder.site) is None:
        raise NotFound(f"Site {holder.site!r} is not registered.", hint="An agent says hello first.")
    raise Fenced(f"Another agent has taken over site {holder.site!r}.")
