"""A server's services over a real database and real uploads, with a queue that does what the test says."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from penstock.clock import MICROSECONDS, Deadline
from penstock.database.engine import Database
from penstock.errors import Gone
from penstock.names import new_id
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.signals import Signals, workload_topic
from penstock.staging.storage import Storage
from penstock.tasks import models as tasks_models
from penstock.tasks.models import Created, NewTask, Progress, Task
from penstock.uploads.service import UploadService
from penstock.workloads import store
from penstock.workloads.lifecycle import EXPIRY_TOPIC
from penstock.workloads.models import GivenInput, State, Submission
from penstock.workloads.service import WorkloadService
from penstock.workloads.views import New

FIRST_US = 1_000_000 * MICROSECONDS
WAIT_S = 20.0


class Queue:
    """A queue of head tasks, and of those that send results; the test says what becomes of them."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.heads: dict[str, Task] = {}
        self.created = 0
        self.deliveries: dict[str, Task] = {}
        self.counts = Progress()
        self.forgotten: list[str] = []

    async def create(self, new: Sequence[NewTask]) -> list[Created]:
        made = []
        for one in new:
            assert one.workload is not None
            self.created += 1
            values = {**one.model_dump(), "id": new_id(), "state": "QUEUED", "reason": "", "sequence": 1}
            times = {"created_us": 0, "started_us": None, "ended_us": None}
            mine = self.heads if one.kind is tasks_models.Kind.HEAD else self.deliveries
            made.append(mine.setdefault(one.workload, Task.model_validate({**values, **times})))
        return [Created(id=one.id, key=one.key, state=one.state, created=True) for one in made]

    async def get(self, task: str) -> Task:
        return next(one for one in [*self.heads.values(), *self.deliveries.values()] if one.id == task)

    async def cancel_workload(self, workload: str) -> None:
        if workload in self.heads and not self.heads[workload].state.final:
            self.set(workload, tasks_models.State.CANCELED)
        if workload in self.deliveries and not self.deliveries[workload].state.final:
            self.deliver(workload, tasks_models.State.CANCELED)

    async def progress(self, _workload: str) -> Progress:
        return self.counts

    async def head(self, workload: str) -> Task | None:
        return self.heads.get(workload)

    async def changes(self, _workload: str, after: int, _deadline: Deadline) -> tuple[list[Task], int]:
        return [], after

    async def failures(self, _workload: str) -> list[Task]:
        return []

    async def forget_workload(self, workload: str) -> None:
        self.heads.pop(workload, None)
        self.deliveries.pop(workload, None)
        self.forgotten.append(workload)

    def set(self, workload: str, state: tasks_models.State) -> None:
        self.heads[workload] = self.heads[workload].model_copy(update={"state": state})
        self.signals.notify(workload_topic(workload))

    def deliver(self, workload: str, state: tasks_models.State, reason: str = "") -> None:
        changed = {"state": state, "reason": reason, "ended_us": 7 if state.final else None}
        self.deliveries[workload] = self.deliveries[workload].model_copy(update=changed)
        self.signals.notify(workload_topic(workload))


class House:
    """One server's services, which can be stopped and started again over the same data."""

    def __init__(self, tmp_path: Path, database: Database, catalogue: Path) -> None:
        self.settings = Settings(data=tmp_path / "data", retention_s=1000, upload_expiry_s=100)
        self.database = database
        self.catalogue = Catalogue([catalogue])
        self.now = FIRST_US
        self.free = 1 << 40
        self.signals = Signals()
        self.queue = Queue(self.signals)
        self.storage: list[Storage] = []

    async def start(self) -> None:
        self.signals = self.queue.signals = Signals()
        self.uploads = UploadService(
            self.settings, self.database, self.signals, clock=self.clock, free=lambda _folder: self.free
        )
        self.workloads = WorkloadService(
            self.settings,
            self.database,
            self.signals,
            self.queue,
            self.uploads,
            self.catalogue,
            clock=self.clock,
            find_storage=self.find_storage,
        )
        await self.workloads.start()

    async def find_storage(self, _owner: str, _names: Sequence[str], _urls: Sequence[str]) -> list[Storage]:
        return self.storage

    async def stop(self) -> None:
        self.signals.drain()
        await self.workloads.stop()
        self.uploads.close()

    def clock(self) -> int:
        return self.now

    def later(self, seconds: int) -> None:
        """Let time pass, and who waits for it look."""
        self.now += seconds * MICROSECONDS
        self.signals.notify(EXPIRY_TOPIC)

    async def create(self, *contents: bytes) -> New:
        inputs = [
            GivenInput(role="text", name=f"{n}.txt", size=len(one), sha256=hashlib.sha256(one).hexdigest())
            for n, one in enumerate(contents)
        ]
        return await self.workloads.create("ada", Submission(pipeline="lines", inputs=inputs))

    async def send(self, new: New, number: int, content: bytes) -> None:
        upload = await self.uploads.get("ada", new.uploads[number].id)

        async def body() -> AsyncIterator[bytes]:
            yield content

        await self.uploads.receive(upload, await self.uploads.offset(upload), len(content), body())

    async def until(self, workload: str, state: State) -> None:
        after, deadline = 0, Deadline.after(WAIT_S)
        while not deadline.passed:
            look = await self.workloads.look("ada", workload, after, deadline)
            if look.workload.state is state:
                return
            after = look.workload.sequence
        pytest.fail(f"it is {look.workload.state}: {look.workload.reason}")

    async def until_gone(self, workload: str) -> None:
        topic, deadline = workload_topic(workload), Deadline.after(WAIT_S)
        while not deadline.passed:
            seen = self.signals.count(topic)
            try:
                await self.workloads.look("ada", workload, 0, Deadline.after(0))
            except Gone:
                return
            await self.signals.wait(topic, seen, deadline)
        pytest.fail("it is still there")

    async def set_state(self, workload: str, state: State) -> None:
        """What the database says after a kill in this state."""
        await self.database.write(lambda c: store.move(c, workload, State, state, "", self.now))

    async def finish(self, workload: str) -> None:
        """Play the engine for a workload that is being prepared."""
        await self.play(workload)
        await self.until(workload, State.SUCCEEDED)

    async def play(self, workload: str) -> None:
        """Up to its packing."""
        await self.until(workload, State.QUEUED)
        self.queue.set(workload, tasks_models.State.RUNNING)
        await self.until(workload, State.RUNNING)
        (self.workspace / "workloads" / workload / "work/x.txt").write_text("x")
        self.queue.set(workload, tasks_models.State.COMPLETE)

    @property
    def workspace(self) -> Path:
        return self.settings.workspace_path

    def traces(self, name: str) -> list[Path]:
        return [path for path in self.workspace.rglob("*") if path.name == name]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    folder = tmp_path / "catalogue" / "lines"
    folder.mkdir(parents=True)
    (folder / "pipeline.yml").write_text(
        "{name: lines, title: L, version: '1', results: {files: ['*.txt']},"
        " inputs: {text: {title: T, formats: [txt], suffixes: [.txt], max: null}}}"
    )
    return folder.parent


@pytest.fixture
async def house(tmp_path: Path, database: Database, catalogue: Path) -> AsyncIterator[House]:
    one = House(tmp_path, database, catalogue)
    await one.start()
    yield one
    await one.stop()
