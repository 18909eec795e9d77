"""The one watch of an agent: every change of its pods, in order, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.pods import Pod, parse_pod
from penstock.errors import Gone, PenstockError

log = structlog.get_logger(__name__)
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 5.0


class Watch:
    """``seen`` hears of every pod and each change of it, ``gone`` of every pod that is not there any more."""

    def __init__(
        self, cluster: Cluster, selector: str, label: str, seen: Callable[[Pod], None], gone: Callable[[Pod], None]
    ) -> None:
        self._cluster = cluster
        self._selector = selector
        self._label = label
        self._seen = seen
        self._gone = gone
        self._pods: dict[str, Pod] = {}
        self._version = ""

    async def resync(self) -> list[Pod]:
        """Look at everything anew; what was known and is not there is told as gone."""
        bodies, self._version = await self._cluster.look(self._cluster.pods, self._selector)
        found = {pod.name: pod for pod in (parse_pod(body, self._label) for body in bodies)}
        before, self._pods = self._pods, found
        for pod in found.values():
            self._seen(pod)
        for name in before.keys() - found.keys():
            self._gone(before[name])
        return [*found.values()]

    async def run(self) -> None:
        """Watch until cancelled. A cut is resumed where it was; a history that is not kept any more starts anew."""
        pause = SHORTEST_PAUSE_S
        while True:
            try:
                if not self._version:
                    await self.resync()
                async for kind, body in self._cluster.watch(self._cluster.pods, self._selector, self._version):
                    pause = SHORTEST_PAUSE_S
                    self._take(kind, body)
            except Gone:
                self._version = ""
            except PenstockError as error:
                log.warning("the cluster does not answer", reason=error.message, pause_s=pause)
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)

    def _take(self, kind: str, body: dict[str, object]) -> None:
        if kind == "BOOKMARK":
            self._version = body["metadata"]["resourceVersion"]  # type: ignore[index]
            return
        pod = parse_pod(body, self._label)
        self._version = pod.version
        if kind == "DELETED":
            self._pods.pop(pod.name, None)
            self._seen(pod)  # its last words
            self._gone(pod)
        else:
            self._pods[pod.name] = pod
            self._seen(pod)
