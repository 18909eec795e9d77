"""Makes workloads: of a submission with uploads to come, or of what was put into the drop box."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from penstock.database.engine import Database
from penstock.errors import Conflict
from penstock.names import new_id
from penstock.pipelines.models import Pipeline
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.tasks.sending import FindStorage
from penstock.workloads import intake, store, store_drops, store_keys
from penstock.workloads.accounts import chosen_account, new_account
from penstock.workloads.anonymous import check_room, is_stranger
from penstock.workloads.create import Plan, PlannedUpload, plan
from penstock.workloads.delivery import check_opened
from penstock.workloads.drop_scan import Dropped
from penstock.workloads.interfaces import Uploads
from penstock.workloads.models import BUNDLE_NAME, BUNDLE_ROLE, Account, DropState, State, Submission, Workload
from penstock.workloads.places import Places
from penstock.workloads.quotas import check_quota
from penstock.workloads.repeats import Key, check_repeat
from penstock.workloads.threads import Threads
from penstock.workloads.views import New


class _Twin(Exception):
    """Another request with the same key was faster by a moment. Never leaves this module."""


class Creation:
    """All or nothing: what is wrong leaves nothing behind."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        places: Places,
        threads: Threads,
        uploads: Uploads,
        catalogue: Catalogue,
        clock: Callable[[], int],
        find_storage: FindStorage | None,
    ) -> None:
        self._settings = settings
        self._places = places
        self._threads = threads
        self._database = database
        self._uploads = uploads
        self._catalogue = catalogue
        self._clock = clock
        self._find_storage = find_storage

    async def submitted(self, owner: str, submission: Submission, key: Key | None = None) -> New:
        """A workload with its uploads and its account; the one that ``key`` has made already, with a new secret.

        UnknownPipeline, InvalidInput, InvalidParameter, TooLarge, LimitReached and StorageFull; KeyReused or Conflict
        where the key cannot be used again.
        """
        while True:
            if key is not None and (found := await self._again(key)) is not None:
                return found
            with suppress(_Twin):
                return await self._anew(owner, submission, key)

    async def _again(self, key: Key) -> New | None:
        """What an earlier request has made; the secret that was answered then ends, known or not."""
        if await self._database.read(lambda connection: store_keys.find(connection, key.name)) is None:
            return None  # as nearly always
        now = self._clock()

        def change(connection: Connection) -> tuple[Workload, Account, str] | None:
            made = store_keys.find(connection, key.name)
            found = None if made is None else store.find(connection, made.workload)
            if made is None or found is None:
                return None
            check_repeat(key, made, found, now, self._settings.upload_expiry_s)
            account, secret = new_account(found.id, now)
            store.set_account(connection, account)
            store_keys.repeated(connection, key.name)
            return found, account, secret

        answered = await self._database.write(change)
        if answered is None:
            return None
        workload, account, secret = answered
        received = await self._uploads.of_workload(workload.id)
        offsets = {one.upload.id: one.offset for one in received}
        return New(workload, [one.upload for one in received], account.name, secret, repeated=True, offsets=offsets)

    async def _anew(self, owner: str, submission: Submission, key: Key | None) -> New:
        pipeline, planned = await self._plan(owner, submission)
        if submission.results_to is not None:
            await check_opened(self._find_storage, owner, submission.results_to)
        for one in planned.inputs:
            if one.url is not None and not one.remote:
                await self._threads.run(intake.check_own_data, self._places, owner, one.url)
        new = self._workload(owner, submission, pipeline, planned)
        account, secret = new_account(new.id, new.created_us)

        def together(connection: Connection) -> None:
            if key is not None and store_keys.find(connection, key.name) is not None:
                raise _Twin("Another request with the same key was faster.")
            if is_stranger(owner):
                check_room(connection, self._settings, new.created_us)
            check_quota(connection, self._settings, new)
            store.add(connection, new, account)
            if key is not None:
                store_keys.add(connection, key.name, new.id, key.parts)

        uploads = await self._uploads.create(owner, new.id, planned.uploads, together, planned.unpacked_bytes)
        return New(new, uploads, account.name, secret)

    async def dropped(self, owner: str, key: str, drop: Dropped, tar: Path) -> None:
        """A workload whose only upload is a tar that is there; in one transaction with the note that it was taken."""
        pipeline, planned = await self._plan(owner, drop.submission)
        inputs = tuple(
            one.model_copy(update={"source": source}) for one, source in zip(planned.inputs, drop.sources, strict=True)
        )
        new = self._workload(owner, drop.submission, pipeline, Plan(inputs, (), planned.parameters))
        chosen = drop.manifest.account
        account = chosen_account(new.id, chosen.name, chosen.hash, new.created_us)

        def together(connection: Connection) -> None:
            if not store_drops.move(connection, key, DropState.RECEIVED, DropState.TAKEN, workload=new.id):
                raise Conflict("Another server was faster.")
            store.add(connection, new, account)

        upload = PlannedUpload(BUNDLE_ROLE, BUNDLE_NAME, drop.size, drop.sha256)
        await self._uploads.create(owner, new.id, [upload], together)
        await self._uploads.deliver(new.id, tar)

    async def _plan(self, owner: str, submission: Submission) -> tuple[Pipeline, Plan]:
        pipeline = await self._threads.run(self._catalogue.get, submission.pipeline, submission.version)
        return pipeline, plan(submission, pipeline, owner, self._settings.largest_upload)

    def _workload(self, owner: str, submission: Submission, pipeline: Pipeline, planned: Plan) -> Workload:
        now = self._clock()
        return Workload(
            id=new_id(),
            owner=owner,
            name=submission.name or "",
            pipeline=pipeline.name,
            version=pipeline.version,
            parameters=planned.parameters,
            state=State.UPLOADING,
            reason="",
            sequence=1,
            created_us=now,
            updated_us=now,
            expires_us=None,
            bytes=sum(one.size or 0 for one in planned.inputs),
            files=len(planned.inputs),
            results_to=submission.results_to,
            inputs=planned.inputs,
        )
