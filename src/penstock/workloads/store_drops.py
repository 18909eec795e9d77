"""What was put into the drop box, in the database."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, String, Table, Text, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from penstock.database.tables import metadata
from penstock.names import new_id
from penstock.workloads.models import Drop, DropState
from penstock.workloads.store import tombstones, workloads

drops = Table(
    "drops",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("state", String(9), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("workload", String(26), index=True),
    Column("created_us", BigInteger, nullable=False),
)


def reserve(connection: Connection, key: str, at_us: int) -> bool:
    """Take a key that nobody has; False if somebody has it: what is there is never written over."""
    row = {"key": key, "state": DropState.RECEIVING.value, "reason": "", "workload": None, "created_us": at_us}
    try:
        with connection.begin_nested():
            connection.execute(insert(drops).values(row))
    except IntegrityError:
        return False
    return True


def find(connection: Connection, key: str) -> Drop | None:
    """What was put under this key."""
    row = connection.execute(select(drops).where(drops.c.key == key)).one_or_none()
    return None if row is None else Drop(row.key, DropState(row.state), row.reason, row.workload, row.created_us)


def move(
    connection: Connection,
    key: str,
    source: DropState,
    target: DropState,
    reason: str = "",
    workload: str | None = None,
) -> bool:
    """One transition, with the old state in its WHERE; False if it did not apply."""
    values = {"state": target.value, "reason": reason, "workload": workload}
    there = (drops.c.key == key) & (drops.c.state == source.value)
    return connection.execute(update(drops).where(there).values(values)).rowcount == 1


def forget_receiving(connection: Connection, key: str, since_us: int) -> None:
    """As if that one, which was not received whole, had never been."""
    there = (drops.c.key == key) & (drops.c.created_us == since_us) & (drops.c.state == DropState.RECEIVING.value)
    connection.execute(delete(drops).where(there))


def forget_workload(connection: Connection, workload: str) -> None:
    """Forget what a workload came from."""
    connection.execute(delete(drops).where(drops.c.workload == workload))


def forget_refused(connection: Connection, before_us: int) -> None:
    """Forget what was refused before this moment."""
    old = (drops.c.state == DropState.REFUSED.value) & (drops.c.created_us < before_us)
    connection.execute(delete(drops).where(old))


def count_arriving(connection: Connection) -> int:
    """How many drops have no workload yet, and were not refused."""
    states = [DropState.RECEIVING.value, DropState.RECEIVED.value]
    return int(connection.execute(select(func.count()).where(drops.c.state.in_(states))).scalar_one())


def count_strangers(connection: Connection, prefix: str, since_us: int) -> int:
    """How many drops came since then, and other workloads of owners whose names begin with ``prefix``."""
    first = new_id(since_us // 1000)[:10]  # ids begin with their time, so what is older need not be looked at
    total = connection.execute(select(func.count()).where(drops.c.created_us >= since_us)).scalar_one()
    for table in (workloads, tombstones):
        theirs = (table.c.id >= first) & table.c.owner.startswith(prefix, autoescape=True)
        dropped = select(drops.c.key).where(drops.c.workload == table.c.id).exists()
        total += connection.execute(select(func.count()).select_from(table).where(theirs & ~dropped)).scalar_one()
    return int(total)
