"""What this machine can offer: its processors, memory and disk, within the limits of the control group it is in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from penstock.settings import Settings
from penstock.tasks.room import Room

_GIGABYTE = 10**9
_OFFERED = 0.9  # the rest is for the services of this machine
_GROUPS = Path("/sys/fs/cgroup")


def survey_room(settings: Settings) -> Room:
    """All that the agent offers. ``ram_gb`` is used for admission; a single task is not held to its share."""
    disk = shutil.disk_usage(_existing(settings.workspace_path)).free
    return Room(
        cpu_cores=settings.cpu_cores or cpu_count(),
        ram_gb=settings.ram_gb or round(_OFFERED * ram_bytes() / _GIGABYTE, 3),
        disk_gb=round(disk / _GIGABYTE, 3),
        slots=settings.slots,
    )


def cpu_count(groups: Path = _GROUPS) -> float:
    """Processors that this process may use."""
    cores = float(len(os.sched_getaffinity(0)))
    for limit in _limits(groups, "cpu.max"):
        quota, _, period = limit.partition(" ")
        if quota != "max":
            cores = min(cores, int(quota) / int(period))
    return cores


def ram_bytes(groups: Path = _GROUPS) -> int:
    """Memory that this process may use."""
    size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [int(limit) for limit in _limits(groups, "memory.max") if limit != "max"]
    return min([size, *limits])


def _limits(groups: Path, name: str) -> list[str]:
    """What the control groups (version 2) from ours up to the root say."""
    own = _own_group()
    folders = [groups / own, *(groups / parent for parent in Path(own).parents)]
    files = [folder / name for folder in folders]
    return [file.read_text().strip() for file in files if file.is_file()]


def _own_group() -> str:
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
