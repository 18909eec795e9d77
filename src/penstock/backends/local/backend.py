"""The ``local`` backend: every attempt in sandboxes on this machine, carried by a runner that outlives the agent.

``ram_gb`` and ``cpu_cores`` are used for admission only: no control group holds a task to them. A task that the system
kills for want of memory while it uses more than its ``ram_gb`` is told so in its reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pydantic

from penstock.agents.protocol import Report, Work
from penstock.backends.local.births import Births
from penstock.backends.local.launch import UNFINISHED, AttemptFolder
from penstock.backends.local.plan import build
from penstock.backends.local.room import survey_room
from penstock.backends.local.site import run_folder, survey
from penstock.backends.local.strays import end_strays
from penstock.backends.local.tools import versions
from penstock.backends.local.watch import Notices, Watched
from penstock.clock import Deadline, now_us
from penstock.errors import InvalidInput
from penstock.settings import Settings
from penstock.tasks.models import AttemptLog, Outcome
from penstock.tasks.room import Room

GRACE_S = 10.0  # between asking a runner to end and killing it
_TOOLS_S = 20.0
_START_S = 10.0  # a runner that lives but never says so is given up after this


class _Attempt:
    """What the agent knows of an attempt on this machine."""

    def __init__(self, folder: AttemptFolder) -> None:
        self.folder = folder
        self.watched: Watched | None = None
        self.news = asyncio.Event()
        self.told_started = False
        self.ending = False
        self.finished = asyncio.Event()
        self.follower: asyncio.Task[None] | None = None


class LocalBackend:
    """Runs attempts in sandboxes of this machine; see ``penstock.backends.interface.Backend``.

    Works only inside a running event loop. SetupError when the machine lacks bubblewrap.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._site = survey(settings)
        self._workspace = settings.workspace_path.resolve()
        self._register = settings.agent_state_path.resolve() / "attempts"
        self._register.mkdir(parents=True, exist_ok=True)
        for unfinished in self._register.glob(f"{UNFINISHED}*"):  # its agent was killed
            unfinished.unlink()
        self._attempts: dict[str, _Attempt] = {}
        self._events: asyncio.Queue[Report] = asyncio.Queue()
        self._births = Births(settings.agent_state_path.resolve())
        self._notices = Notices(settings.agent_state_path.resolve() / "notify", self._hear)
        self._versions: asyncio.Task[str] | None = None
        self._room = survey_room(settings)

    def total(self) -> Room:
        """Processors, memory, disk that was free at the start and slots, as settings and machine allow."""
        return self._room

    async def found(self) -> list[str]:
        """Attempts in this agent's register."""
        names = await asyncio.to_thread(os.listdir, self._register)
        return sorted(name for name in names if not name.startswith(UNFINISHED))

    async def start(self, work: Work) -> None:
        """Start the runner; an attempt that was started before is adopted."""
        self._open()
        attempt = self._attempts.get(work.attempt)
        folder = self._folder(work.attempt)
        if attempt is not None or folder.entry.exists():
            await self.adopt(work)
            return
        attempt = self._attempts[work.attempt] = _Attempt(folder)
        await self._launch(attempt, work)

    async def adopt(self, work: Work) -> None:
        """Watch an attempt that an earlier agent started; start it if that agent did not come so far."""
        self._open()
        attempt = self._attempts.get(work.attempt)
        if attempt is None:
            attempt = self._attempts[work.attempt] = _Attempt(self._folder(work.attempt))
            if await asyncio.to_thread(attempt.folder.is_unborn):
                await self._launch(attempt, work)
                return
        if attempt.follower is None:
            self._follow(attempt)

    async def _launch(self, attempt: _Attempt, work: Work) -> None:
        folder = attempt.folder
        try:
            plan = build(work, replace(self._site, run=run_folder(self._settings)), str(folder.path))
            await asyncio.to_thread(folder.launch, plan, work, self._births)
        except InvalidInput as error:
            self._finish(attempt, Outcome.SYSTEM_ERROR, str(error))
        except OSError as error:
            self._finish(attempt, Outcome.LOST, f"The runner cannot be started: {error}.")
        else:
            self._follow(attempt)

    async def end(self, attempt: str) -> None:
        """End the attempt; a ``finished`` event with CANCELED follows if it had not finished by itself."""
        known = self._attempts.get(attempt)
        if known is None:
            self._open()
            known = self._attempts[attempt] = _Attempt(self._folder(attempt))
        if known.finished.is_set():
            return
        known.ending = True
        if known.follower is None:
            self._follow(known)
        self._ask_to_end(known)
        try:
            await asyncio.wait_for(known.finished.wait(), GRACE_S)
        except TimeoutError:
            if known.watched is not None:
                known.watched.send(signal.SIGKILL)
            await known.finished.wait()

    async def forget(self, attempt: str) -> None:
        """Remove the attempt's directory and entry, after ending what may still run."""
        folder = self._folder(attempt)
        if folder.entry.exists() and folder.is_locked():
            await self.end(attempt)
        known = self._attempts.pop(attempt, None)
        if known is not None and known.follower is not None:
            known.follower.cancel()
        await asyncio.to_thread(folder.remove)

    async def events(self) -> AsyncIterator[Report]:
        """Reports as they come; endless."""
        while True:
            yield await self._events.get()

    async def close(self) -> None:
        """Stop watching; runners go on, and another LocalBackend can adopt them."""
        self._notices.close()
        self._births.close()
        tasks: list[asyncio.Task[object]] = [
            known.follower for known in self._attempts.values() if known.follower is not None
        ]
        if self._versions is not None:
            tasks.append(self._versions)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for known in self._attempts.values():
            if known.watched is not None:
                known.watched.close()
        self._attempts.clear()

    def _open(self) -> None:
        self._notices.open()
        if self._versions is None:
            self._versions = asyncio.create_task(asyncio.to_thread(versions, Deadline.after(_TOOLS_S)))

    def _folder(self, attempt: str) -> AttemptFolder:
        return AttemptFolder(self._workspace, self._register, attempt)

    def _hear(self, attempt: str) -> None:
        known = self._attempts.get(attempt)
        if known is not None:
            known.news.set()

    def _follow(self, attempt: _Attempt) -> None:
        attempt.follower = asyncio.create_task(self._until_end(attempt))

    async def _until_end(self, attempt: _Attempt) -> None:
        """Tell what happens to an attempt until its runner is gone."""
        await self._find_runner(attempt)
        while attempt.watched is not None and not attempt.watched.ended.is_set():
            self._tell_started(attempt)
            await _first(attempt.news, attempt.watched.ended)
            attempt.news.clear()
        self._tell_started(attempt)
        await self._tell_finished(attempt)

    async def _find_runner(self, attempt: _Attempt) -> None:
        """Watch the runner, which may not have come far enough yet to be known by its process id."""
        deadline = Deadline.after(_START_S)
        while attempt.folder.is_locked() and not deadline.passed:
            pidfd = attempt.folder.runner()
            if pidfd is not None:
                attempt.watched = Watched(pidfd)
                if attempt.ending:
                    self._ask_to_end(attempt)
                return
            try:
                async with asyncio.timeout(0.5):  # it says so when it has; a notice may get lost
                    await attempt.news.wait()
            except TimeoutError:
                continue
            attempt.news.clear()

    def _ask_to_end(self, attempt: _Attempt) -> None:
        if attempt.watched is not None:
            attempt.watched.send(signal.SIGTERM)

    def _tell_started(self, attempt: _Attempt) -> None:
        if attempt.told_started:
            return
        try:
            started = json.loads(attempt.folder.started.read_text())
        except (FileNotFoundError, ValueError):
            return
        attempt.told_started = True
        self._events.put_nowait(Report(attempt=attempt.folder.attempt, event="started", at_us=started["at_us"]))

    async def _tell_finished(self, attempt: _Attempt) -> None:
        try:
            result = json.loads(await asyncio.to_thread(attempt.folder.result.read_text))
            report = Report.model_validate({**result, "attempt": attempt.folder.attempt, "event": "finished"})
        except (FileNotFoundError, ValueError, pydantic.ValidationError):
            await asyncio.to_thread(end_strays, attempt.folder.attempt)
            self._finish(attempt, *self._without_result(attempt))
            return
        if self._versions is not None:
            report.log.system_logs.append(await asyncio.shield(self._versions))
        self._events.put_nowait(report)
        attempt.finished.set()

    def _without_result(self, attempt: _Attempt) -> tuple[Outcome, str]:
        if attempt.ending:
            return Outcome.CANCELED, "The attempt was ended."
        words = attempt.folder.last_words()
        return Outcome.LOST, "The runner died without a result" + (f": {words}" if words else ".")

    def _finish(self, attempt: _Attempt, outcome: Outcome, reason: str) -> None:
        report = Report(
            attempt=attempt.folder.attempt, event="finished", at_us=now_us(), outcome=outcome, reason=reason,
            log=AttemptLog(system_logs=[reason]),
        )  # fmt: skip
        self._events.put_nowait(report)
        attempt.finished.set()


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
