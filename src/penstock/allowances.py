"""What each owner may have of a deployment: its share, and the limits on its tasks (setting ``PENSTOCK_OWNERS``)."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

EVERYBODY = "*"


class Allowance(BaseModel):
    """One owner's share and limits; None is no limit. Sizes are those of one task; GB are 10^9 bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weight: float = Field(1.0, gt=0, le=1000, description="Share of the sites, against the other owners' weights.")
    most_queued: int | None = Field(None, ge=0, description="Tasks that may wait at once, not counting workloads'.")
    most_running: int | None = Field(None, ge=1, description="Attempts that may be leased or running at once.")
    cpu_cores: float | None = Field(None, gt=0, description="CPU cores that one task may ask for.")
    ram_gb: float | None = Field(None, gt=0, description="Memory that one task may ask for.")
    disk_gb: float | None = Field(None, ge=0, description="Disk that one task may ask for.")


def allowance(owners: Mapping[str, Allowance], owner: str) -> Allowance:
    """The owner's own allowance, what it leaves out filled in from everybody's."""
    everybody, own = owners.get(EVERYBODY, Allowance()), owners.get(owner)
    return everybody if own is None else everybody.model_copy(update=own.model_dump(exclude_unset=True))
