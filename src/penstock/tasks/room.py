"""How much a site can offer."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Room(BaseModel):
    """An amount of everything a site can offer; GB are 10^9 bytes."""

    model_config = ConfigDict(extra="ignore")

    cpu_cores: float
    ram_gb: float
    disk_gb: float
    slots: int
    # The most that one task can have, where that is less: the nodes of a cluster do not add up for a pod.
    task_cores: float | None = None
    task_ram_gb: float | None = None

    @property
    def size(self) -> tuple[float, float]:
        """By which rooms are compared, where the question is who can run the largest task."""
        return self.cpu_cores, self.ram_gb

    def of_one_task(self) -> Room:
        """What a task can have when it is alone here."""
        cores, ram_gb = self.task_cores, self.task_ram_gb
        return Room(
            cpu_cores=self.cpu_cores if cores is None else min(cores, self.cpu_cores),
            ram_gb=self.ram_gb if ram_gb is None else min(ram_gb, self.ram_gb),
            disk_gb=self.disk_gb,
            slots=self.slots,
        )

    def or_more(self, other: Room) -> Room:
        """Of each the larger amount; no limit is the largest."""
        mine, theirs = self.model_dump(), other.model_dump()
        pairs = {name: (mine[name], theirs[name]) for name in mine}
        return Room(**{name: None if None in pair else max(pair) for name, pair in pairs.items()})
