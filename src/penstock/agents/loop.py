"""The agent: leases attempts for its site, runs them on its backend, reports (design.md, section 4, rule 8).

It imports none of the server. Its runners outlive it; when it comes back it adopts them. While the server cannot be
reached the work goes on; only after ``give_up_s`` are the runners ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from penstock.agents.connection import Connection
from penstock.agents.protocol import Hello, LeaseRequest, Orders, Renewal, Report, Reports, Work
from penstock.backends.interface import Backend
from penstock.clock import Deadline, now_us
from penstock.errors import Fenced, NotFound, PenstockError, SetupError
from penstock.names import new_id
from penstock.settings import Settings
from penstock.tasks.models import Outcome

T = TypeVar("T")
log = structlog.get_logger(__name__)
MOST_LEASES = 32
STARTS_WAIT_S = 0.05
FAULT = 500  # from this status on a refusal is not about what was asked
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0


class Agent:
    """One site's agent. ``run`` ends when ``stop`` is called or when another agent has taken the site over."""

    def __init__(self, settings: Settings, backend: Backend, connection: Connection) -> None:
        self._settings = settings
        self._backend = backend
        self._connection = connection
        self._who = {"site": settings.site, "incarnation": new_id()}
        self._held: dict[str, Work] = {}
        self._canceling: set[str] = set()  # of those that are held
        self._ending: set[str] = set()  # their ends are being reported
        self._reports: asyncio.Queue[Report] = asyncio.Queue()
        self._contact = Deadline.after(settings.give_up_s)
        self._lease_s = settings.lease_s
        self._longest_wait_s = settings.longest_wait_s
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; runners go on after that. Raises Fenced, having ended the site's runners."""
        try:
            await self._reaching(self._hello)
            async with asyncio.TaskGroup() as group:
                for loop in (self._lease_forever, self._renew_forever, self._watch_forever, self._report_forever):
                    group.create_task(loop())
        except ExceptionGroup as errors:
            await self._leave(errors)
        finally:
            await self._backend.close()

    async def _leave(self, errors: ExceptionGroup) -> None:
        if errors.subgroup(Fenced) is None:
            raise errors.exceptions[0] if len(errors.exceptions) == 1 else errors
        await self._end_everything()
        raise Fenced(f"Another agent has taken over site {self._settings.site!r}; its runners here were ended.")

    async def _hello(self) -> None:
        running = await self._backend.found()
        hello = Hello(
            **self._who,
            total=self._backend.total(),
            tags=self._settings.site_tags,
            mounts_workspace=self._settings.mounts_workspace,
            running=running,
        )
        welcome = await self._connection.hello(hello)
        self._lease_s, self._longest_wait_s = welcome.lease_s, welcome.longest_wait_s
        log.info("registered", **self._who, keep=len(welcome.keep), end=len(welcome.end))
        for work in welcome.keep:
            self._held[work.attempt] = work
            await self._backend.adopt(work)
        for attempt in welcome.end:
            await self._drop(attempt)

    async def _lease_forever(self) -> None:
        while True:
            request = LeaseRequest(
                **self._who,
                wait=self._longest_wait_s,
                most=MOST_LEASES,
                holding=sorted(self._held),
                ending=sorted(self._ending | self._canceling),
                total=self._backend.total(),
            )
            answer = await self._reaching(partial(self._connection.lease, request))
            for work in answer.work:
                if work.attempt not in self._held and work.attempt not in self._ending:
                    self._held[work.attempt] = work
                    log.info("leased", attempt=work.attempt, kind=work.kind)
                    self._job(self._start(work))
            self._obey(answer)

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(self._lease_s / 3)
            renewal = Renewal(**self._who, attempts=sorted(self._held.keys() | self._ending))
            if renewal.attempts:
                self._obey(await self._reaching(partial(self._connection.renew, renewal)))

    async def _watch_forever(self) -> None:
        async for report in self._backend.events():
            if report.attempt not in self._held:
                continue  # it was fenced: what its runner says does not count any more
            if report.event == "finished":
                if report.attempt in self._canceling:
                    report = report.model_copy(update={"outcome": Outcome.CANCELED, "reason": ""})
                self._held.pop(report.attempt)
                self._ending.add(report.attempt)
                log.info("finished", attempt=report.attempt, outcome=report.outcome, reason=report.reason)
            self._reports.put_nowait(report)

    async def _report_forever(self) -> None:
        while True:
            await self._send(await self._batch())

    async def _batch(self) -> list[Report]:
        """What there is to tell. Starts alone wait a moment: that of a short task costs nothing beside its end."""
        batch = [await self._reports.get()]
        patience = Deadline.after(STARTS_WAIT_S)
        while not self._reports.empty() or all(report.event == "started" for report in batch):
            try:
                async with asyncio.timeout(patience.remaining):  # wait_for of Python 3.11 can swallow a cancel
                    batch.append(await self._reports.get())
            except TimeoutError:
                break
        return batch

    async def _send(self, batch: Sequence[Report]) -> None:
        reports = Reports(**self._who, reports=list(batch))
        answer = await self._reaching(partial(self._connection.report, reports))
        for attempt in answer.refused:
            await self._drop(attempt)
        for report in batch:
            if report.event == "finished" and report.attempt not in answer.refused:
                self._job(self._forget(report.attempt))

    async def _forget(self, attempt: str) -> None:
        """Its end is durable. Nobody waits for this: the kernel takes a while to remove what was mounted."""
        await self._backend.forget(attempt)
        self._ending.discard(attempt)
        self._canceling.discard(attempt)

    def _obey(self, orders: Orders) -> None:
        for attempt in orders.end:
            if attempt in self._held:
                self._job(self._drop(attempt))
        for attempt in orders.cancel:
            if attempt in self._held and attempt not in self._canceling:
                self._canceling.add(attempt)
                self._job(self._cancel(attempt))
            elif attempt not in self._held and attempt not in self._ending:
                self._ending.add(attempt)
                canceled = Report(attempt=attempt, event="finished", at_us=now_us(), outcome=Outcome.CANCELED)
                self._reports.put_nowait(canceled)  # nothing of it ever came here

    async def _start(self, work: Work) -> None:
        await self._backend.start(work)
        if work.attempt in self._canceling:  # the cancel came while it was being started
            await self._backend.end(work.attempt)

    async def _cancel(self, attempt: str) -> None:
        """End the runner; what the backend then tells of it is reported as CANCELED, with its logs."""
        log.info("canceling", attempt=attempt)
        await self._backend.end(attempt)

    async def _drop(self, attempt: str) -> None:
        """End and forget an attempt that is not ours any more."""
        self._held.pop(attempt, None)
        self._canceling.discard(attempt)
        self._ending.add(attempt)
        await self._backend.end(attempt)
        await self._backend.forget(attempt)
        self._ending.discard(attempt)
        log.info("ended", attempt=attempt)

    async def _end_everything(self) -> None:
        for attempt in sorted(self._held.keys() | set(await self._backend.found())):
            await self._drop(attempt)

    async def _reaching(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call the server until it answers. Calls can be repeated, also where nobody knows whether they counted."""
        pause = SHORTEST_PAUSE_S
        while True:
            try:
                answer = await call()
            except NotFound:
                await self._reaching(self._hello)  # the server's database was made anew
            except PenstockError as error:
                if error.status < FAULT or isinstance(error, SetupError):
                    raise
                log.warning("server cannot be reached", reason=error.message, pause_s=pause)
                await self._give_up_if_late()
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 1.7)
            else:
                self._contact = Deadline.after(self._settings.give_up_s)
                return answer

    async def _give_up_if_late(self) -> None:
        if self._contact.passed and self._held:
            log.error("no contact for too long: ending all runners", give_up_s=self._settings.give_up_s)
            await self._end_everything()

    def _job(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await work

        job = asyncio.create_task(run())
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
