"""The server's side of the agents' protocol: wire models in and out, the queue does the rest."""

from __future__ import annotations

import asyncio

import structlog

from penstock.access.service import AccessService
from penstock.agents.protocol import (
    PROTOCOL,
    Caller,
    Hello,
    LeaseAnswer,
    LeaseRequest,
    Orders,
    Renewal,
    Report,
    Reports,
    ReportsAnswer,
    Welcome,
    Work,
)
from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.settings import Settings
from penstock.staging.urls import is_remote
from penstock.tasks.ends import End
from penstock.tasks.handout import Holder, Known
from penstock.tasks.models import Attempt, Outcome, Task
from penstock.tasks.queue import Queue
from penstock.tasks.sending import FindStorage

log = structlog.get_logger(__name__)


class AgentService:
    """Answers agents. ``find_storage`` answers an owner's credentials for URLs."""

    def __init__(
        self, queue: Queue, access: AccessService, settings: Settings, find_storage: FindStorage | None = None
    ) -> None:
        self._find_storage = find_storage
        self._queue = queue
        self._access = access
        self._settings = settings

    async def hello(self, hello: Hello) -> Welcome:
        """Enter an agent and tell it which of its runners to go on with."""
        holder = _holder(hello)
        told = await self._queue.register(holder, hello.total, hello.tags, hello.running, mounts=hello.mounts_workspace)
        log.info("agent registered", site=hello.site, incarnation=hello.incarnation, running=len(hello.running))
        keep = [self._work(task, attempt) for task, attempt in told.leased]
        waits = {"lease_s": self._settings.lease_s, "longest_wait_s": self._settings.longest_wait_s}
        return Welcome(keep=keep, end=told.end, **waits)

    async def lease(self, request: LeaseRequest) -> LeaseAnswer:
        """Work and orders, by long-poll."""
        deadline = Deadline.after(min(request.wait, self._settings.longest_wait_s))
        known = Known(set(request.holding), set(request.ending), request.most, request.total)
        told = await self._queue.lease(_holder(request), known, deadline)
        work = [await self._with_storage(self._work(task, attempt)) for task, attempt in told.leased]
        return LeaseAnswer(work=work, end=told.end, cancel=told.cancel)

    async def renew(self, renewal: Renewal) -> Orders:
        """Fresh periods, and orders."""
        told = await self._queue.renew(_holder(renewal), set(renewal.attempts))
        return Orders(end=told.end, cancel=told.cancel)

    async def report(self, reports: Reports) -> ReportsAnswer:
        """Take a batch; those of fenced attempts are refused. Reports of different attempts do not wait in line."""
        holder = _holder(reports)
        by_attempt: dict[str, list[Report]] = {}
        for report in reports.reports:
            by_attempt.setdefault(report.attempt, []).append(report)
        taken = await asyncio.gather(*(self._take(holder, mine) for mine in by_attempt.values()))
        return ReportsAnswer(refused=[one for one, good in zip(by_attempt, taken, strict=True) if not good])

    async def _take(self, holder: Holder, reports: list[Report]) -> bool:
        """All that is told of one attempt; a start that is told together with the end costs no change of its own."""
        started = next((report for report in reports if report.event == "started"), None)
        finished = next((report for report in reports if report.event == "finished"), None)
        if finished is not None:
            return await self._queue.finished(holder, finished.attempt, _end(finished, started))
        return started is None or await self._queue.started(holder, started.attempt, started.at_us)

    async def _with_storage(self, work: Work) -> Work:
        """With those of its owner's storage credentials that its inputs need."""
        urls = [one.url for one in work.spec.inputs or [] if one.url and one.content is None]
        if self._find_storage is not None and any(map(is_remote, urls)):
            work.storage = await self._find_storage(work.owner, work.terms.credentials, urls)
        return work

    def _work(self, task: Task, attempt: Attempt) -> Work:
        return Work(
            attempt=attempt.id,
            kind=task.kind,
            owner=task.owner,
            workload=task.workload,
            spec=task.spec,
            terms=task.terms,
            token=self._access.attempt_token(attempt.id),
        )


def _holder(caller: Caller) -> Holder:
    if not PROTOCOL - 1 <= caller.protocol <= PROTOCOL + 1:
        raise InvalidInput(
            f"This agent speaks protocol {caller.protocol}, the server {PROTOCOL}.",
            hint="They may be one release apart.",
        )
    return Holder(caller.site, caller.incarnation)


def _end(finished: Report, started: Report | None) -> End:
    outcome = finished.outcome or Outcome.LOST
    return End(finished.at_us, outcome, finished.reason, finished.log, started.at_us if started else None)
