"""What the agent knows of one attempt on the cluster."""

from __future__ import annotations

import asyncio

from penstock.backends.kubernetes.plan import PodPlan
from penstock.backends.kubernetes.pods import Pod


class Attempt:
    """``plan`` is None until the server has said that the attempt is ours, ``pod`` until the cluster has shown it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.plan: PodPlan | None = None
        self.pod: Pod | None = None
        self.told: list[str] = []  # by the launchers of the first executors, in the workspace
        self.waits = ""
        self.told_started = False
        self.settling = False  # its end is known, its results are being read
        self.ending = False  # somebody wants it to end
        self.making = asyncio.Lock()
        self.finished = asyncio.Event()
        self.gone = asyncio.Event()
        self.timer: asyncio.TimerHandle | None = None

    def hear(self, told: list[str]) -> None:
        """Launchers only add to what they told; who read earlier may come later."""
        self.told = max(self.told, told, key=len)

    def forget(self) -> None:
        """Nothing is waited for any more."""
        if self.timer is not None:
            self.timer.cancel()
