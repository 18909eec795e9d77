"""Workloads for everybody inside the server: create, look, wait, cancel, acknowledge. Knows no HTTP."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from penstock.clock import A_DAY, MICROSECONDS, Deadline, now_us
from penstock.database.again import again
from penstock.database.engine import Database
from penstock.errors import Conflict, Forbidden, Gone
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.signals import Signals, workload_topic
from penstock.tasks.room import Room
from penstock.tasks.sending import FindStorage
from penstock.workloads import keeping, store
from penstock.workloads.accounts import Accounts, Pause
from penstock.workloads.anonymous import check_size, is_stranger, stranger
from penstock.workloads.conductor import CONDUCT_TOPIC, Conductor
from penstock.workloads.creation import Creation
from penstock.workloads.downloads import Downloads
from penstock.workloads.drop_scan import Dropped
from penstock.workloads.drops import DropBox
from penstock.workloads.expiry import Expiry
from penstock.workloads.interfaces import Tasks, Uploads
from penstock.workloads.keeping import Kept
from penstock.workloads.lifecycle import EXPIRY_TOPIC, Lifecycle
from penstock.workloads.links import Links, Sign, own_signature
from penstock.workloads.models import (
    CANCELABLE,
    CONDUCTED,
    FINISHED,
    REMOVING,
    Account,
    Event,
    Link,
    State,
    Submission,
    Workload,
)
from penstock.workloads.notices import Notices
from penstock.workloads.places import Places
from penstock.workloads.preparation import Preparation, fetching
from penstock.workloads.removal import Removal
from penstock.workloads.repeats import key_of
from penstock.workloads.running import Running
from penstock.workloads.threads import Threads
from penstock.workloads.views import Look, New


class WorkloadService:
    """``room`` tells what the site offers (default: this machine); ``clock`` and ``pause`` are exchanged by tests."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        signals: Signals,
        tasks: Tasks,
        uploads: Uploads,
        catalogue: Catalogue,
        *,
        room: Callable[[], Awaitable[Room]] | None = None,
        clock: Callable[[], int] = now_us,
        pause: Pause = asyncio.sleep,
        sign: Sign | None = None,
        find_storage: FindStorage | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._signals = signals
        self._tasks = tasks
        self._uploads = uploads
        self._catalogue = catalogue
        self._clock = clock
        self._places = places = Places(settings.workspace_path)
        self._threads = threads = Threads()
        self._lifecycle = lifecycle = Lifecycle(database, signals, settings.retention_s, clock)
        self._creation = Creation(settings, database, places, threads, uploads, catalogue, clock, find_storage)
        self.drops = DropBox(settings, lifecycle, places, threads, self._dropped, uploads)
        preparation = Preparation(
            lifecycle, places, threads, tasks, uploads, catalogue, room or self._this_machine,
            fetching(settings, find_storage),
        )  # fmt: skip
        running = Running(lifecycle, places, threads, tasks, preparation)
        self._removal = removal = Removal(lifecycle, places, threads, tasks, uploads)
        steps = {
            State.PREPARING: preparation.prepare,
            State.QUEUED: running.queued,
            State.RUNNING: running.running,
            State.PACKING: running.pack,
            State.CANCELING: removal.cancel,
            State.ACKNOWLEDGED: removal.remove,
            State.EXPIRED: removal.remove,
        }
        self._conductor = Conductor(lifecycle, steps, running.fail)
        self._expiry = Expiry(lifecycle, uploads, settings, Notices(settings), self._conductor.follow)
        accounts = Accounts(database, pause, clock)
        self.downloads = Downloads(lifecycle, places, accounts, Links(accounts, sign or own_signature(), clock))
        self._watches: list[asyncio.Task[None]] = []
        uploads.on_complete = self.uploaded
        uploads.on_terminated = self._upload_given_up

    async def start(self) -> None:
        """Put everything in order after a start, and lead on what is live: in one server of a store at a time."""
        self._conductor.begin()
        await self._uploads.reconcile()
        await self._removal.reconcile()
        await self.drops.start()
        seen = self._signals.count(CONDUCT_TOPIC)
        await self._follow_all()
        self._watches = [
            asyncio.create_task(again(self._expiry.watch), name="workloads' expiry"),
            asyncio.create_task(again(partial(self._follow_others, seen)), name="workloads of other servers"),
        ]

    async def stop(self) -> None:
        """Stop leading; what was begun is gone on with after the next start."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await self.drops.stop()
        await self._conductor.stop()
        await self._threads.settle()

    def close(self) -> None:
        """Let go of the threads, for good."""
        self._threads.close()

    async def create(self, owner: str, submission: Submission, key: str | None = None) -> New:
        """Make a workload with its uploads and its account, all or nothing; once for a key (``repeats``).

        UnknownPipeline, InvalidInput, InvalidParameter, TooLarge and StorageFull leave nothing behind.
        """
        known = None if key is None else key_of(owner, key, submission)
        new = await self._creation.submitted(owner, submission, known)
        self._signals.notify(EXPIRY_TOPIC)
        if await self.uploaded(new.workload.id):
            return replace(new, workload=replace(new.workload, state=State.PREPARING))
        return new

    async def create_anonymous(self, submission: Submission, key: str | None = None) -> New:
        """As ``create``, for somebody without a token: under limits, and with an owner of its own."""
        sizes = [one.size or 0 for one in submission.inputs]
        check_size(self._settings, sum(sizes) + (submission.bundle.size if submission.bundle else 0))
        return await self.create(stranger(), submission, key)

    async def look(self, owner: str, workload: str, after: int, deadline: Deadline) -> Look:
        """The owner's workload as soon as its sequence is above ``after``, or at the deadline; NotFound or Gone."""
        topic = workload_topic(workload)
        while True:
            seen = self._signals.count(topic)
            found = await self._lifecycle.owned(owner, workload)
            if found.sequence > after or not await self._signals.wait(topic, seen, deadline):
                return await self._look(found)

    async def page(self, owner: str | None, state: State | None, before: str | None, limit: int) -> list[Workload]:
        """The owner's (or everybody's) newest workloads that are older than ``before``."""
        return await self._database.read(lambda c: store.page(c, owner, state, before, limit))

    async def events(self, owner: str, workload: str) -> list[Event]:
        """Every change of state, oldest first; NotFound or Gone."""
        await self._lifecycle.owned(owner, workload)
        return await self._database.read(lambda c: store.events_of(c, workload))

    async def cancel(self, owner: str, workload: str) -> Look:
        """Ask for its end; what has ended stays as it is. NotFound or Gone."""
        await self._lifecycle.owned(owner, workload)
        await self._cancel(workload, "Canceled by its owner.")
        return await self._look(await self._lifecycle.owned(owner, workload))

    async def acknowledge(self, owner: str, workload: str) -> None:
        """Have everything of a finished workload removed; nothing happens if it is already. Conflict, NotFound."""
        try:
            found = await self._lifecycle.owned(owner, workload)
        except Gone:
            return
        if await self._lifecycle.move(
            workload, FINISHED, State.ACKNOWLEDGED, together=lambda c: store.close_account(c, workload)
        ):
            self._conductor.follow(workload)
        elif found.state not in REMOVING:
            raise Conflict(f"The workload is {found.state.value}, not finished.", hint="Cancel it first.")

    async def owner_of(self, workload: str) -> str | None:
        """Whose it is, for an operator; also of one that was removed."""
        return await self._database.read(lambda c: store.owner_of(c, workload))

    async def account(self, owner: str, workload: str) -> Account | None:
        """The workload's account; None where it is revoked. NotFound or Gone."""
        await self._lifecycle.owned(owner, workload)
        return await self.downloads.accounts.find(workload)

    async def rotate_account(self, owner: str, workload: str) -> tuple[Account, str]:
        """Give the workload a new secret, also where its account was revoked. NotFound, Gone or Conflict."""
        await self._lifecycle.owned(owner, workload)
        made = await self.downloads.accounts.rotate(workload)
        if made is None:
            raise Conflict("The workload is being removed.")
        return made

    async def revoke_account(self, owner: str, workload: str) -> None:
        """Close the account at once. NotFound; nothing happens if the workload is gone."""
        with suppress(Gone):
            await self._lifecycle.owned(owner, workload)
            await self.downloads.accounts.revoke(workload)

    async def link(self, owner: str, workload: str, path: str, lifetime_s: int) -> Link:
        """A signed link to one file of the results. NotFound, Gone or Conflict."""
        found = await self._lifecycle.owned(owner, workload)
        await self.downloads.find(found, path)
        return await self.downloads.links.make(found, path, lifetime_s)

    async def keep(self, owner: str, workload: str, name: str) -> Kept:
        """Let its results outlive it, as ``name`` in the owner's data. Conflict, NotFound, Gone, Forbidden."""
        found = await self._lifecycle.owned(owner, workload)
        if is_stranger(owner):
            raise Forbidden("Without a token there is nobody to keep results for.")
        if found.state is not State.SUCCEEDED:
            raise Conflict(f"The workload is {found.state.value}: it has no results.")
        return await self._threads.run(keeping.keep, self._places, found, name)

    async def kept(self, owner: str) -> list[Kept]:
        """What an owner has in data."""
        return await self._threads.run(keeping.listed, self._places, owner)

    async def remove_kept(self, owner: str, name: str) -> None:
        """Remove it; nothing happens if it is gone."""
        await self._threads.run(keeping.remove, self._places, owner, name)

    async def counts(self) -> list[tuple[State, int, int, int]]:
        """By state: how many workloads, bytes and files there are."""
        return await self._database.read(store.counts)

    async def acknowledge_drop(self, workload: Workload) -> None:
        """As ``acknowledge``, for the account that came with a drop: it is all that its sender has. Forbidden."""
        account = await self.downloads.accounts.find(workload.id)
        if account is None or not account.crypt:
            raise Forbidden("This account opens downloads only.", hint="Acknowledge with the owner's token.")
        await self.acknowledge(workload.owner, workload.id)

    async def uploaded(self, workload: str) -> bool:
        """Start preparing a workload that has all its uploads; False if it waits for some, or is past that."""
        if await self._uploads.waiting(workload):
            return False
        moved = await self._lifecycle.move(workload, [State.UPLOADING], State.PREPARING)
        if moved:
            self._conductor.follow(workload)
        return moved

    async def _follow_all(self) -> None:
        waiting = await self._uploads.silent_since()
        for workload in await self._database.read(lambda c: store.in_states(c, [State.UPLOADING])):
            if workload not in waiting:
                await self.uploaded(workload)
        for workload in await self._database.read(lambda c: store.in_states(c, CONDUCTED)):
            self._conductor.follow(workload)
        for workload in await self._database.read(lambda c: store.in_states(c, [State.CANCELING])):
            self._conductor.halt(workload, unless=State.CANCELING)

    async def _follow_others(self, seen: int) -> None:
        """Lead on what another server has begun or canceled."""
        while await self._signals.wait(CONDUCT_TOPIC, seen, Deadline.after(A_DAY)) or not self._signals.draining:
            seen = self._signals.count(CONDUCT_TOPIC)
            await self._follow_all()

    async def _dropped(self, key: str, drop: Dropped, tar: Path) -> None:
        await self._creation.dropped(stranger(), key, drop, tar)

    async def _upload_given_up(self, workload: str) -> None:
        await self._cancel(workload, "One of its uploads was given up.")

    async def _cancel(self, workload: str, reason: str) -> None:
        if await self._lifecycle.move(workload, CANCELABLE, State.CANCELING, reason):
            self._conductor.halt(workload)
            self._conductor.follow(workload)

    async def _look(self, workload: Workload) -> Look:
        received = await self._uploads.of_workload(workload.id)
        expires_us = workload.expires_us
        if workload.state is State.UPLOADING and received:
            last = max(one.upload.touched_us for one in received)
            expires_us = last + self._settings.upload_expiry_s * MICROSECONDS
        return Look(workload, received, await self._tasks.progress(workload.id), expires_us)

    async def _this_machine(self) -> Room:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cores = self._settings.cpu_cores or float(len(os.sched_getaffinity(0)))
        ram_gb = self._settings.ram_gb or round(0.9 * memory / 1e9, 1)
        return Room(cpu_cores=cores, ram_gb=ram_gb, disk_gb=0.0, slots=self._settings.slots)
