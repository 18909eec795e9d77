"""The ``kubernetes`` backend: every attempt is one pod, which outlives the agent and is found again by its labels."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import structlog

from penstock.agents.protocol import Report, Work
from penstock.backends.attempt.failure import Failure, lost
from penstock.backends.attempt.shape import ExecutorResult
from penstock.backends.kubernetes.attempt import Attempt
from penstock.backends.kubernetes.cluster import Cluster
from penstock.backends.kubernetes.files import Found, PodFiles, WorkspaceFiles
from penstock.backends.kubernetes.insist import insist
from penstock.backends.kubernetes.manifest import GRACE_S, LABEL, make_pod, make_secret, pod_name, selector
from penstock.backends.kubernetes.nodes import Nodes
from penstock.backends.kubernetes.notices import Notices
from penstock.backends.kubernetes.plan import PodPlan, build
from penstock.backends.kubernetes.pods import Pod
from penstock.backends.kubernetes.room import Space, share
from penstock.backends.kubernetes.site import Site
from penstock.backends.kubernetes.taken import Taken
from penstock.backends.kubernetes.verdict import STAGE_OUT, Progress, judge, lost_pod, waiting_too_long
from penstock.backends.kubernetes.watch import Watch
from penstock.clock import now_us
from penstock.errors import InvalidInput, NotFound, PenstockError
from penstock.settings import Settings
from penstock.tasks.models import AttemptLog, Outcome
from penstock.tasks.room import Room

T = TypeVar("T")
log = structlog.get_logger(__name__)
ATTEMPT_LABEL = f"{LABEL}/attempt"
_PATIENCE_S = 10.0  # between asking a pod to end and ending it by force, besides its own grace


class KubernetesBackend:
    """Runs attempts as pods; see ``penstock.backends.interface.Backend``. ``connect`` makes one."""

    def __init__(self, settings: Settings, cluster: Cluster, site: Site, space: Space) -> None:
        self._settings = settings
        self._cluster = cluster
        self._site = site
        self._taken = Taken(space.total)
        self._nodes = Nodes(cluster, settings, ATTEMPT_LABEL, space, self._taken)
        self._files = PodFiles(site) if site.claim is None else WorkspaceFiles(settings.workspace_path, site)
        self._attempts: dict[str, Attempt] = {}
        self._events: asyncio.Queue[Report] = asyncio.Queue()
        self._watch = Watch(cluster, selector(site), ATTEMPT_LABEL, self._see, self._lose)
        self._notices = Notices(self._hear)
        self._watching: list[asyncio.Task[None]] = []
        self._jobs: set[asyncio.Task[None]] = set()

    def total(self) -> Room:
        """The cluster's room; it changes as nodes come and go."""
        return self._nodes.space.total

    async def found(self) -> list[str]:
        """Attempts of which a pod or a directory of this site is there."""
        await self._insist(self._nodes.survey)
        pods = await self._insist(self._watch.resync)
        self._open()
        left = await asyncio.to_thread(self._files.left)
        return sorted({*(pod.attempt for pod in pods), *left})

    async def start(self, work: Work) -> None:
        """Make the pod; one that is there already is adopted."""
        self._open()
        if work.attempt in self._attempts:
            await self.adopt(work)
            return
        attempt = self._attempts[work.attempt] = Attempt(work.attempt)
        async with attempt.making:
            try:
                attempt.plan = build(work, self._site)
                needed = share(work)
                self._nodes.space.check(*needed)
                await self._taken.take(work.attempt, *needed)
                await self._make(attempt, attempt.plan, work)
            except InvalidInput as error:
                self._finish(attempt, Outcome.SYSTEM_ERROR, str(error))
            except Failure as failure:
                self._finish(attempt, Outcome(failure.outcome), failure.reason)
            except (OSError, PenstockError) as error:
                self._finish(attempt, Outcome.LOST, f"The pod cannot be made: {error}")

    async def adopt(self, work: Work) -> None:
        """Watch a pod that an earlier agent made."""
        self._open()
        attempt = self._attempts.setdefault(work.attempt, Attempt(work.attempt))
        if attempt.plan is None:
            try:
                attempt.plan = build(work, self._site)
            except InvalidInput as error:
                self._finish(attempt, Outcome.SYSTEM_ERROR, str(error))
                return
        self._taken.hold(work.attempt, *share(work))
        self._wait_for_start(attempt)
        if attempt.pod is None:
            await self._look_for(attempt)
        await self._catch_up(attempt)

    async def end(self, attempt: str) -> None:
        """Delete the pod; returns when its containers are gone. CANCELED is told if it had not finished by itself."""
        self._open()
        known = self._attempts.setdefault(attempt, Attempt(attempt))
        known.ending = True
        async with known.making:
            if known.finished.is_set() and (known.pod is None or known.pod.ended or known.gone.is_set()):
                return
            if await self._insist(lambda: self._cluster.delete("pods", pod_name(attempt))):
                await self._until_gone(known)
        if not known.finished.is_set() and not known.settling:
            await self._cancel(known)
        await known.finished.wait()

    async def forget(self, attempt: str) -> None:
        """Remove the pod and all that was made for it. What is decided needs no grace."""
        known = self._attempts.pop(attempt, None)
        if known is not None:
            known.forget()
        name = pod_name(attempt)
        if known is None or not known.gone.is_set():
            await self._insist(lambda: self._cluster.delete("pods", name, 0))
        self._taken.free(attempt)
        self._notices.forget(attempt)
        if self._site.claim is None:
            await self._insist(lambda: self._cluster.delete("secrets", name))
        await asyncio.to_thread(self._files.remove, attempt)

    async def events(self) -> AsyncIterator[Report]:
        """Reports as they come; endless."""
        while True:
            yield await self._events.get()

    async def close(self) -> None:
        """Stop watching; pods go on, and another agent can adopt them."""
        tasks = [*self._jobs, *self._watching]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for attempt in self._attempts.values():
            attempt.forget()
        self._attempts.clear()
        self._notices.close()
        await self._cluster.close()

    def _open(self) -> None:
        if not self._watching:
            self._watching = [asyncio.create_task(one.run()) for one in (self._watch, self._nodes, self._notices)]

    async def _make(self, attempt: Attempt, plan: PodPlan, work: Work) -> None:
        if attempt.pod is None:
            mounts = await asyncio.to_thread(self._files.prepare, work, plan)
            self._listen(attempt)  # before there is anything to hear
            if self._site.claim is None:
                secret = make_secret(work, json.dumps(asdict(plan)), self._site)
                await self._insist(lambda: self._cluster.create("secrets", secret), attempt)
            pod = make_pod(work, plan, mounts, self._site)
            await self._insist(lambda: self._cluster.create("pods", pod), attempt)
        else:
            await self._catch_up(attempt)
        self._wait_for_start(attempt)

    def _wait_for_start(self, attempt: Attempt) -> None:
        if attempt.timer is None and not attempt.told_started:
            loop = asyncio.get_running_loop()
            attempt.timer = loop.call_later(self._settings.pending_limit_s, self._give_up_start, attempt)

    def _give_up_start(self, attempt: Attempt) -> None:
        if not attempt.told_started and not attempt.settling and not attempt.finished.is_set():
            failure = waiting_too_long(attempt.waits, self._settings.pending_limit_s)
            self._finish(attempt, Outcome.LOST, failure.reason)

    async def _look_for(self, attempt: Attempt) -> None:
        """The watch knows every pod there is: what it does not know was never made, or is gone."""
        try:
            await self._insist(lambda: self._cluster.pod(pod_name(attempt.name)))
        except NotFound:
            self._finish(attempt, Outcome.LOST, lost_pod(None).reason)

    def _listen(self, attempt: Attempt) -> None:
        """To its launchers, where they can be heard."""
        if isinstance(self._files, WorkspaceFiles):
            self._notices.watch(attempt.name, self._files.run_folder(attempt.name))

    async def _catch_up(self, attempt: Attempt) -> None:
        """Listen, and take what was told before. The workspace's file system may hang: others must not."""
        self._listen(attempt)
        if isinstance(self._files, WorkspaceFiles) and attempt.plan is not None:
            steps = len(attempt.plan.tree["executors"])
            attempt.hear(await asyncio.to_thread(self._files.told, attempt.name, steps))
        self._look(attempt)

    def _hear(self, name: str) -> None:
        """Something was told on this kernel just now: its file system does not hang."""
        attempt = self._attempts.get(name)
        if isinstance(self._files, WorkspaceFiles) and attempt is not None and attempt.plan is not None:
            attempt.hear(self._files.told(name, len(attempt.plan.tree["executors"])))
            self._look(attempt)

    def _see(self, pod: Pod) -> None:
        attempt = self._attempts.setdefault(pod.attempt, Attempt(pod.attempt))
        attempt.pod = pod
        self._look(attempt)

    def _lose(self, pod: Pod) -> None:
        self._taken.free(pod.attempt)
        attempt = self._attempts.get(pod.attempt)
        if attempt is None:
            return
        attempt.gone.set()
        if attempt.plan is None:  # a stranger, or one that was forgotten: its last event made it known again
            self._attempts.pop(pod.attempt)
        elif not attempt.ending and not attempt.settling and not attempt.finished.is_set():
            self._settle(attempt, Progress(ended=True, failure=lost_pod(attempt.pod)))

    def _look(self, attempt: Attempt) -> None:
        """Tell what is new about an attempt."""
        if attempt.pod is None or attempt.plan is None or attempt.finished.is_set() or attempt.settling:
            return
        progress = judge(attempt.pod, attempt.plan, attempt.told)
        attempt.waits = progress.waits
        if progress.started_us is not None and not attempt.told_started:
            attempt.told_started = True
            self._events.put_nowait(Report(attempt=attempt.name, event="started", at_us=progress.started_us))
        if progress.ended and not (attempt.ending and progress.failure and progress.failure.outcome == "LOST"):
            self._settle(attempt, progress)

    def _settle(self, attempt: Attempt, progress: Progress) -> None:
        attempt.settling = True
        job = asyncio.create_task(self._tell_end(attempt, progress))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _tell_end(self, attempt: Attempt, progress: Progress) -> None:
        assert attempt.plan is not None  # noqa: S101 - nothing is judged without
        try:
            found = await self._results(attempt, attempt.plan, progress)
        except (OSError, PenstockError, ValueError) as error:
            found = Found(problem=lost(f"What the executors left cannot be read: {error}"))
        failure = progress.failure or found.problem
        reason = failure.reason if failure else ""
        entry = found.entry(progress.executors, [*attempt.plan.logs, *found.logs, *([reason] if reason else [])])
        self._finish(attempt, Outcome(failure.outcome) if failure else Outcome.COMPLETE, reason, entry)

    async def _results(self, attempt: Attempt, plan: PodPlan, progress: Progress) -> Found:
        is_lost = progress.failure is not None and progress.failure.outcome == "LOST"
        if isinstance(self._files, WorkspaceFiles):
            if is_lost or not progress.executors:
                tails = await asyncio.to_thread(self._files.tails, attempt.name, len(progress.executors))
                return Found(tails=tails)
            return await asyncio.to_thread(self._files.found, attempt.name, plan, len(progress.executors))
        out = attempt.pod.containers.get(STAGE_OUT) if attempt.pod else None
        if is_lost or out is None or out.state != "terminated" or out.exit_code != 0:
            return Found()
        told = json.loads(await self._insist(lambda: self._cluster.log(pod_name(attempt.name), STAGE_OUT)))
        told["problem"] = Failure(*told["problem"]) if told["problem"] else None
        return Found(**told)

    async def _until_gone(self, attempt: Attempt) -> None:
        """Until the pod's containers have ended; by force when its node does not answer."""
        try:
            await asyncio.wait_for(attempt.gone.wait(), GRACE_S + _PATIENCE_S)
        except TimeoutError:
            log.warning("a pod does not end", attempt=attempt.name)
            await self._insist(lambda: self._cluster.delete("pods", pod_name(attempt.name), 0))

    async def _cancel(self, attempt: Attempt) -> None:
        """Tell the end of an attempt that was ended, with what its executors had written."""
        executors: list[ExecutorResult] = []
        tails: list[tuple[str, str]] = []
        if attempt.pod is not None and attempt.plan is not None:
            executors = judge(attempt.pod, attempt.plan).executors
            if isinstance(self._files, WorkspaceFiles):
                tails = await asyncio.to_thread(self._files.tails, attempt.name, len(executors))
        reason = "The attempt was ended."
        self._finish(attempt, Outcome.CANCELED, reason, Found(tails=tails).entry(executors, [reason]))

    def _finish(self, attempt: Attempt, outcome: Outcome, reason: str, entry: AttemptLog | None = None) -> None:
        if attempt.finished.is_set():
            return
        report = Report(
            attempt=attempt.name, event="finished", at_us=now_us(), outcome=outcome, reason=reason,
            log=entry or AttemptLog(system_logs=[reason]),
        )  # fmt: skip
        attempt.finished.set()
        attempt.forget()
        self._taken.end(attempt.name)
        self._events.put_nowait(report)

    async def _insist(self, call: Callable[[], Awaitable[T]], attempt: Attempt | None = None) -> T:
        """Call it again while the API server cannot be reached or a quota is used up; ended with its attempt."""
        return await insist(call, self._settings.give_up_s, attempt)
