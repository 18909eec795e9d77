"""What is refused when a task is created: what its owner may not have, and what no site can ever run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select, text

from penstock.allowances import Allowance, allowance
from penstock.errors import Forbidden, InvalidInput, LimitReached
from penstock.tasks import sites
from penstock.tasks.admission import never_fits
from penstock.tasks.models import NewTask
from penstock.tasks.tables import WAITING_ALONE, tasks
from penstock.tasks.turns import Candidate

TRY_AGAIN_S = 30
AMOUNTS = {"cpu_cores": "CPU cores", "ram_gb": "GB of memory", "disk_gb": "GB of disk"}


def check(connection: Connection, new: Sequence[NewTask], owners: Mapping[str, Allowance]) -> None:
    """Forbidden, LimitReached or InvalidInput for the first task that may not be created.

    The processes of a workload pass: their engine could not go on, and the workload as a whole was let in. One of them
    that can never run ends as SYSTEM_ERROR instead.
    """
    alone = [one for one in new if one.workload is None]
    for one in alone:
        check_size(one, allowance(owners, one.owner))
    for owner, count in Counter(one.owner for one in alone).items():
        check_count(connection, owner, count, allowance(owners, owner).most_queued)
    known = sites.everyone(connection) if alone else []
    for one in alone:
        why = never_fits(candidate("", one), known)
        if why:
            raise InvalidInput(why)


def check_size(new: NewTask, allowed: Allowance) -> None:
    """Forbidden if the task asks for more than its owner may have."""
    for name, unit in AMOUNTS.items():
        asked, most = getattr(new.terms, name), getattr(allowed, name)
        if most is not None and asked > most:
            raise Forbidden(f"{name}={asked:g}: a task of {new.owner!r} may ask for at most {most:g} {unit}.")


def check_count(connection: Connection, owner: str, count: int, most: int | None) -> None:
    """LimitReached if ``count`` more tasks were too many; looks at no more than ``most`` rows of an index."""
    if most is None:
        return
    waiting = select(tasks.c.id).where(tasks.c.owner == owner, text(WAITING_ALONE)).offset(max(0, most - count))
    if count > most or connection.execute(waiting.limit(1)).one_or_none() is not None:
        raise LimitReached(
            f"{owner!r} may have at most {most} tasks waiting, and has too many for {count} more.",
            hint="Wait until some have started.",
            headers={"Retry-After": str(TRY_AGAIN_S)},
        )


def candidate(task: str, new: NewTask) -> Candidate:
    """A new task as admission looks at it."""
    terms = new.terms
    return Candidate(task, new.kind, terms.cpu_cores, terms.ram_gb, terms.disk_gb, tags=terms.tags)
