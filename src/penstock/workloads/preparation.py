"""PREPARING: from finished uploads to a head task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import yaml

from penstock.clock import Deadline
from penstock.pipelines.engines import head_task
from penstock.pipelines.models import DEFINITION, Definition, Pipeline
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.staging.transfers import Means
from penstock.tasks.room import Room
from penstock.tasks.sending import FindStorage
from penstock.workloads import intake
from penstock.workloads.halt import Halt
from penstock.workloads.interfaces import Tasks, Uploads
from penstock.workloads.lifecycle import Lifecycle
from penstock.workloads.models import State, Workload
from penstock.workloads.places import Places
from penstock.workloads.threads import Threads

Fetching = Callable[[str, Sequence[str]], Awaitable[intake.Fetch]]  # for an owner, the URLs of one workload
VIRTUAL = "/workspace/workloads"  # where a workload's folder is seen in every sandbox


class Preparation:
    """``room`` tells what the site has, for pipelines that scatter their work over it."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        places: Places,
        threads: Threads,
        tasks: Tasks,
        uploads: Uploads,
        catalogue: Catalogue,
        room: Callable[[], Awaitable[Room]],
        fetching: Fetching,
    ) -> None:
        self._lifecycle = lifecycle
        self._places = places
        self._threads = threads
        self._tasks = tasks
        self._uploads = uploads
        self._catalogue = catalogue
        self._room = room
        self._fetching = fetching

    async def prepare(self, workload: Workload, halt: Halt) -> None:
        """Check and place the inputs, copy the pipeline, write the configuration, create the head task."""
        whole = await self._lifecycle.whole(workload.id)
        received = await self._uploads.of_workload(whole.id)
        arrived = [
            intake.Arrived(one.upload.role, one.upload.name, one.upload.sha256, self._uploads.path(one.upload.id))
            for one in received
        ]
        pipeline = await self._threads.run(self._catalogue.get, whole.pipeline, whole.version)
        fetch = await self._fetching(whole.owner, [one.url for one in whole.inputs if one.url and one.remote])
        await self._threads.run(intake.take_in, self._places, whole, arrived, halt, fetch)
        await self._threads.run(intake.copy_pipeline, self._places, whole.id, pipeline)
        room = await self._room()
        site = {"cpu_cores": room.cpu_cores, "ram_gb": room.ram_gb}
        await self._threads.run(intake.write_config, self._places, whole.id, _paths(whole), whole.parameters, site)
        await self.create_head(whole)
        await self._lifecycle.move(whole.id, [State.PREPARING], State.QUEUED)

    async def create_head(self, workload: Workload) -> None:
        """Create the head task, or find that it is there."""
        pipeline = await self._threads.run(self._catalogue.get, workload.pipeline, workload.version)
        await self._tasks.create([head_task(pipeline, workload=workload.id, owner=workload.owner)])

    def own_pipeline(self, workload: Workload) -> Pipeline:
        """The workload's own copy of its pipeline: the catalogue may have moved on. Blocks."""
        folder = self._places.pipeline(workload.id)
        return Pipeline(Definition.model_validate(yaml.safe_load((folder / DEFINITION).read_text())), folder)


def fetching(settings: Settings, find_storage: FindStorage | None = None) -> Fetching:
    """How an owner's inputs are fetched by URL: within the deployment's limits, with the owner's credentials."""

    async def with_storage(owner: str, urls: Sequence[str]) -> intake.Fetch:
        storage = await find_storage(owner, [], urls) if find_storage is not None and urls else []
        means = Means(settings.allow_private_urls, settings.largest_input, storage)
        return lambda url, target: means.place(url).fetch(target, Deadline.after(settings.transfer_limit_s))

    return with_storage


def _paths(workload: Workload) -> dict[str, list[str]]:
    """Where the engine sees the inputs, by role, in the order they were declared."""
    paths: dict[str, list[str]] = {}
    for one in workload.inputs:
        paths.setdefault(one.role, []).append(f"{VIRTUAL}/{workload.id}/inputs/{one.member}")
    return paths
