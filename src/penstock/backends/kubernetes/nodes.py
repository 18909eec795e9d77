"""How large the cluster is while nodes come and go: a lost node takes its room with it, a new one brings some."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.room import Space, survey, takes_pods
from penstock.backends.kubernetes.taken import Taken
from penstock.errors import Forbidden, Gone, PenstockError
from penstock.settings import Settings

Json = dict[str, Any]
log = structlog.get_logger(__name__)
_NODES = "/api/v1/nodes"
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


class Nodes:
    """``space`` is what there is now; ``ours`` the label of pods that do not count; ``taken`` hears of each change."""

    def __init__(self, cluster: Cluster, settings: Settings, ours: str, space: Space, taken: Taken) -> None:
        self._cluster = cluster
        self._settings = settings
        self._ours = ours
        self._taken = taken
        self._shapes: dict[str, Json | None] = {}
        self.space = space

    async def survey(self) -> None:
        """Look at the nodes and what others hold on them.

        One task can have what the largest node had: it waits for a node that is lost, and is not refused for good.
        """
        found = await survey(self._cluster, self._settings, self._ours)
        sizes = [one for one in (self.space.largest, found.largest) if one is not None]
        largest = max(sizes, key=lambda room: room.size, default=None)
        if found.total != self.space.total:
            log.info("the cluster's room has changed", **found.total.model_dump())
        self.space = Space(found.total, largest)
        self._taken.total = found.total

    async def run(self) -> None:
        """Survey whenever a node comes, goes, or becomes or is no longer ready; ends where nodes may not be watched."""
        pause = _SHORTEST_PAUSE_S
        while True:
            try:
                items, version = await self._cluster.look(_NODES)
                await self._note({item["metadata"]["name"]: _shape(item) for item in items})
                async for kind, body in self._cluster.watch(_NODES, "", version):
                    pause = _SHORTEST_PAUSE_S
                    await self._take(kind, body)
            except Forbidden:
                return
            except Gone:
                continue
            except PenstockError as error:
                log.warning("the cluster's nodes cannot be seen", reason=error.message, pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)

    async def _take(self, kind: str, body: Json) -> None:
        if kind == "BOOKMARK":
            return
        name = body["metadata"]["name"]
        others = {key: shape for key, shape in self._shapes.items() if key != name}
        await self._note(others if kind == "DELETED" else {**others, name: _shape(body)})

    async def _note(self, shapes: dict[str, Json | None]) -> None:
        """While no node takes pods, the room is what it was: they come back, or their agent goes with them."""
        if shapes != self._shapes:
            if any(shapes.values()):
                await self.survey()
            self._shapes = shapes


def _shape(node: Json) -> Json | None:
    """What it has; nothing where it takes no pods."""
    allocatable: Json = node["status"].get("allocatable", {})
    return {name: allocatable.get(name) for name in ("cpu", "memory", "pods")} if takes_pods(node) else None
