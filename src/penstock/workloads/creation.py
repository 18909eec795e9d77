"""Makes workloads: of a submission with uploads to come, or of what was put into the drop box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from penstock.errors import Conflict
from penstock.names import new_id
from penstock.pipelines.models import Pipeline
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.workloads import intake, store, store_drops
from penstock.workloads.accounts import chosen_account, new_account
from penstock.workloads.anonymous import check_room, is_stranger
from penstock.workloads.create import Plan, PlannedUpload, plan
from penstock.workloads.drop_scan import Dropped
from penstock.workloads.interfaces import Uploads
from penstock.workloads.models import BUNDLE_NAME, BUNDLE_ROLE, DropState, State, Submission, Workload
from penstock.workloads.places import Places
from penstock.workloads.quotas import check_quota
from penstock.workloads.threads import Threads
from penstock.workloads.views import New


class Creation:
    """All or nothing: what is wrong leaves nothing behind."""

    def __init__(
        self,
        settings: Settings,
        places: Places,
        threads: Threads,
        uploads: Uploads,
        catalogue: Catalogue,
        clock: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._places = places
        self._threads = threads
        self._uploads = uploads
        self._catalogue = catalogue
        self._clock = clock

    async def submitted(self, owner: str, submission: Submission) -> New:
        """A workload with its uploads and its account.

        UnknownPipeline, InvalidInput, InvalidParameter, TooLarge, LimitReached and StorageFull.
        """
        pipeline, planned = await self._plan(owner, submission)
        for one in planned.inputs:
            if one.url is not None and not one.remote:
                await self._threads.run(intake.check_own_data, self._places, owner, one.url)
        new = self._workload(owner, submission, pipeline, planned)
        account, secret = new_account(new.id, new.created_us)

        def together(connection: Connection) -> None:
            if is_stranger(owner):
                check_room(connection, self._settings, new.created_us)
            check_quota(connection, self._settings, new)
            store.add(connection, new, account)

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
            inputs=planned.inputs,
        )
