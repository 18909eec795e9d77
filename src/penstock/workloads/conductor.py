"""Leads each live workload from state to state: one asyncio task for each, which sleeps until a signal.

A step may be cut off at any moment and is then done again from the state in the database. Where several servers share
a store, one of them conducts; the others tell it of what they have begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from penstock.clock import A_DAY, Deadline
from penstock.database.again import again
from penstock.errors import PenstockError, StoreAway
from penstock.signals import workload_topic
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import State, Workload

Step = Callable[[Workload, Halt], Awaitable[None]]
Fail = Callable[[Workload, str], Awaitable[None]]

CONDUCT_TOPIC = "workloads:conduct"  # counted up when a server that does not conduct has work for the one that does
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0  # before a step is tried again that nothing else would try again
MISTAKE = "The server made a mistake; its log says more."
_log = structlog.get_logger(__name__)


class Conductor:
    """``steps`` says what to do in each state that the server leaves by itself; ``fail`` ends a workload."""

    def __init__(self, lifecycle: Lifecycle, steps: Mapping[State, Step], fail: Fail) -> None:
        self._lifecycle = lifecycle
        self._signals = lifecycle.signals
        self._steps = steps
        self._fail = fail
        self._following: dict[str, tuple[asyncio.Task[None], Halt]] = {}
        self._at: dict[str, State] = {}
        self._again: set[str] = set()
        self._giving_up: set[asyncio.Task[None]] = set()
        self._stopping = False

    def begin(self) -> None:
        """Conduct from now on."""
        self._stopping = False

    def follow(self, workload: str) -> None:
        """Lead this workload on, here or in the server that conducts; harmless if that is done already."""
        if workload in self._following:
            self._again.add(workload)
        elif self._stopping:
            self._signals.notify(CONDUCT_TOPIC)
        else:
            halt = Halt()
            task = asyncio.create_task(self._conduct(workload, halt), name=f"workload {workload}")
            self._following[workload] = task, halt
            task.add_done_callback(lambda ended: self._ended(workload, ended))

    def halt(self, workload: str, unless: State | None = None) -> None:
        """Cut the workload's present step off, because its state was changed from outside."""
        if workload in self._following and (unless is None or self._at.get(workload) is not unless):
            self._following[workload][1].set()

    async def stop(self) -> None:
        """Cut every step off and wait until nothing runs."""
        self._stopping = True
        tasks = [task for task, _ in self._following.values()]
        for task, halt in list(self._following.values()):
            halt.set()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _conduct(self, workload: str, halt: Halt) -> None:
        await again(lambda: self._lead_on(workload, halt))

    async def _lead_on(self, workload: str, halt: Halt) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping:
            self._again.discard(workload)
            seen = self._signals.count(workload_topic(workload))
            found = await self._lifecycle.find(workload)
            step = None if found is None else self._steps.get(found.state)
            if found is not None and step is not None:
                self._at[workload] = found.state
                done = await self._take(step, found, halt)
                await self._until_changed(found, seen, A_DAY if done else pause_s)
                pause_s = FIRST_PAUSE_S if done else min(LONGEST_PAUSE_S, pause_s * 2)
            elif workload not in self._again:
                return

    async def _take(self, step: Step, workload: Workload, halt: Halt) -> bool:
        """Whether the step was done. If not, what worked has failed by now; what was being removed still is."""
        try:
            await step(workload, halt)
        except Halted:
            _log.info("A step was cut off.", workload=workload.id, state=workload.state.value)
            return True
        except StoreAway:
            raise
        except PenstockError as error:
            await self._fail(workload, str(error))
        except OSError as error:
            _log.error("A workload met an error of the disk.", workload=workload.id, exc_info=error)
            name = f" ({error.filename.rpartition('/')[2]})" if isinstance(error.filename, str) else ""
            await self._fail(workload, f"The server's disk: {error.strerror or error}{name}.")
        else:
            return True
        return False

    async def _until_changed(self, workload: Workload, seen: int, longest_s: float) -> None:
        now = await self._lifecycle.find(workload.id)
        if now is not None and now.state is workload.state and not self._stopping:
            await self._signals.wait(workload_topic(workload.id), seen, Deadline.after(longest_s))
            if self._signals.draining:
                self._stopping = True

    def _ended(self, workload: str, task: asyncio.Task[None]) -> None:
        del self._following[workload]
        self._at.pop(workload, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("A workload's step ended unexpectedly.", workload=workload, exc_info=error)
            giving_up = asyncio.create_task(self._give_up(workload))
            self._giving_up.add(giving_up)
            giving_up.add_done_callback(self._giving_up.discard)

    async def _give_up(self, workload: str) -> None:
        """A mistake of ours must not leave somebody waiting."""

        async def fail() -> None:
            found = await self._lifecycle.find(workload)
            if found is not None:
                await self._fail(found, MISTAKE)

        await again(fail)
