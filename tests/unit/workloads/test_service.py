"""The service with a real database and real uploads, and a queue that does what the test says."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from penstock.clock import MICROSECONDS, Deadline
from penstock.database.engine import Database
from penstock.errors import Conflict, Gone, StorageFull
from penstock.names import new_id
from penstock.pipelines.service import Catalogue
from penstock.settings import Settings
from penstock.signals import Signals, workload_topic
from penstock.tasks import models as tasks_models
from penstock.tasks.models import Created, NewTask, Progress, Task
from penstock.uploads.service import UploadService
from penstock.workloads import store
from penstock.workloads.halt import Halt, Halted
from penstock.workloads.lifecycle import EXPIRY_TOPIC
from penstock.workloads.models import GivenInput, State, Submission
from penstock.workloads.service import WorkloadService
from penstock.workloads.views import New

FIRST_US = 1_000_000 * MICROSECONDS
WAIT_S = 20.0


class Queue:
    """A queue of head tasks; the test says what becomes of them."""

    def __init__(self, signals: Signals) -> None:
        self.signals = signals
        self.heads: dict[str, Task] = {}
        self.created = 0
        self.counts = Progress()
        self.forgotten: list[str] = []

    async def create(self, new: Sequence[NewTask]) -> list[Created]:
        for one in new:
            assert one.workload is not None
            self.created += 1
            values = {**one.model_dump(), "id": new_id(), "state": "QUEUED", "reason": "", "sequence": 1}
            times = {"created_us": 0, "started_us": None, "ended_us": None}
            self.heads.setdefault(one.workload, Task.model_validate({**values, **times}))
        return []

    async def cancel_workload(self, workload: str) -> None:
        if workload in self.heads and not self.heads[workload].state.final:
            self.set(workload, tasks_models.State.CANCELED)

    async def progress(self, _workload: str) -> Progress:
        return self.counts

    async def head(self, workload: str) -> Task | None:
        return self.heads.get(workload)

    async def failures(self, _workload: str) -> list[Task]:
        return []

    async def forget_workload(self, workload: str) -> None:
        self.heads.pop(workload, None)
        self.forgotten.append(workload)

    def set(self, workload: str, state: tasks_models.State) -> None:
        self.heads[workload] = self.heads[workload].model_copy(update={"state": state})
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

    async def start(self) -> None:
        self.signals = self.queue.signals = Signals()
        self.uploads = UploadService(
            self.settings, self.database, self.signals, clock=self.clock, free=lambda _folder: self.free
        )
        self.workloads = WorkloadService(
            self.settings, self.database, self.signals, self.queue, self.uploads, self.catalogue, clock=self.clock
        )
        await self.workloads.start()

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


async def test_an_upload_that_falls_silent_expires_with_its_workload(house: House) -> None:
    new = await house.create(b"ab")
    await house.send(new, 0, b"a")
    house.later(99)
    await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    house.later(1)
    await house.until_gone(new.workload.id)
    assert house.traces(new.uploads[0].id) == []


async def test_a_byte_in_time_keeps_all_uploads_of_a_workload(house: House) -> None:
    new = await house.create(b"ab", b"c")
    house.later(99)
    await house.send(new, 0, b"a")
    house.later(99)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.expires_us == FIRST_US + 199 * MICROSECONDS
    house.later(1)
    await house.until_gone(new.workload.id)


async def test_a_finished_workload_that_nobody_acknowledges_expires(house: House) -> None:
    new = await house.create(b"")
    await finish(house, new.workload.id)
    house.later(999)
    await house.until(new.workload.id, State.SUCCEEDED)
    house.later(1)
    await house.until_gone(new.workload.id)
    assert house.traces(new.workload.id) == []
    assert house.queue.forgotten == [new.workload.id]


async def test_a_running_workload_never_expires(house: House) -> None:
    new = await house.create(b"")
    await house.until(new.workload.id, State.QUEUED)
    house.later(10**6)
    await house.until(new.workload.id, State.QUEUED)


async def finish(house: House, workload: str) -> None:
    await house.until(workload, State.QUEUED)
    house.queue.set(workload, tasks_models.State.RUNNING)
    await house.until(workload, State.RUNNING)
    (house.workspace / "workloads" / workload / "work/x.txt").write_text("x")
    house.queue.set(workload, tasks_models.State.COMPLETE)
    await house.until(workload, State.SUCCEEDED)


async def test_the_room_that_is_promised_is_not_promised_twice(house: House) -> None:
    house.free = house.settings.workspace_reserve + 100
    first = await house.create(b"x" * 60)
    with pytest.raises(StorageFull) as caught:
        await house.create(b"x" * 41)
    assert "41 bytes" in str(caught.value)
    assert "40 bytes" in str(caught.value)
    await house.create(b"x" * 40)
    await house.send(first, 0, b"x" * 30)
    house.free -= 30
    with pytest.raises(StorageFull):
        await house.create(b"x")
    assert len(await house.workloads.page("ada", None, None, 10)) == 2


async def test_progress_of_the_processes_wakes_who_waits(house: House) -> None:
    new = await house.create(b"")
    await house.until(new.workload.id, State.QUEUED)
    house.queue.set(new.workload.id, tasks_models.State.RUNNING)
    await house.until(new.workload.id, State.RUNNING)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    for done in (1, 2, 3):
        house.queue.counts = Progress(total=3, done=done)
        house.signals.notify(workload_topic(new.workload.id))
        while look.progress.done != done:
            look = await house.workloads.look("ada", new.workload.id, look.workload.sequence, Deadline.after(WAIT_S))
    assert look.workload.state is State.RUNNING


async def test_a_mistake_of_ours_fails_the_workload_and_nobody_waits_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_new: object) -> list[Created]:
        raise ZeroDivisionError

    monkeypatch.setattr(house.queue, "create", broken)
    new = await house.create(b"")
    await house.until(new.workload.id, State.FAILED)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.workload.reason == "The server made a mistake; its log says more."


async def test_a_full_disk_while_preparing_fails_the_workload_in_words(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device", "/secret/place/config.json")

    monkeypatch.setattr("penstock.workloads.intake.write_config", full)
    new = await house.create(b"")
    await house.until(new.workload.id, State.FAILED)
    look = await house.workloads.look("ada", new.workload.id, 0, Deadline.after(0))
    assert look.workload.reason == "The server's disk: No space left on device (config.json)."


@pytest.mark.parametrize("state", [State.UPLOADING, State.PREPARING, State.QUEUED, State.RUNNING, State.PACKING])
async def test_a_start_takes_a_workload_up_where_it_was(house: House, state: State) -> None:
    new = await house.create(b"a", b"b")
    workload = new.workload.id
    for number, content in enumerate((b"a", b"b")):
        await house.send(new, number, content)
    await house.until(workload, State.QUEUED)
    await house.stop()
    if state is State.UPLOADING:  # killed after the uploads were complete and before anybody noticed
        (house.workspace / "workloads" / workload).rename(house.workspace / "incoming-was")
        inputs = house.workspace / "incoming-was/inputs/text"
        for number, upload in enumerate(new.uploads):
            (inputs / f"{number}.txt").rename(house.workspace / "incoming" / upload.id)
    if state in (State.UPLOADING, State.PREPARING):
        house.queue.heads.clear()
    elif state is not State.QUEUED:
        house.queue.set(workload, tasks_models.State.COMPLETE if state is State.PACKING else tasks_models.State.RUNNING)
    await house.set_state(workload, state)
    await house.start()
    if state in (State.UPLOADING, State.PREPARING, State.QUEUED):
        await finish(house, workload)
    elif state is State.RUNNING:
        house.queue.set(workload, tasks_models.State.COMPLETE)
    await house.until(workload, State.SUCCEEDED)
    assert [path.name for path in (house.workspace / "workloads").iterdir()] == []


@pytest.mark.parametrize("state", [State.ACKNOWLEDGED, State.EXPIRED])
async def test_a_start_goes_on_with_a_removal(house: House, state: State) -> None:
    new = await house.create(b"")
    await finish(house, new.workload.id)
    await house.stop()
    await house.set_state(new.workload.id, state)
    await house.start()
    await house.until_gone(new.workload.id)
    assert house.traces(new.workload.id) == []


async def test_a_start_goes_on_with_a_cancel(house: House) -> None:
    new = await house.create(b"a")
    await house.stop()
    await house.set_state(new.workload.id, State.CANCELING)
    await house.start()
    await house.until(new.workload.id, State.CANCELED)
    assert await house.uploads.of_workload(new.workload.id) == []


async def test_a_start_removes_what_nobody_owns_and_nothing_else(house: House) -> None:
    kept = await house.create(b"ab")
    await house.send(kept, 0, b"a")
    done = await house.create(b"")
    await finish(house, done.workload.id)
    await house.stop()
    stray = new_id()
    for folder in (f"workloads/{stray}/work", f"owners/ada/results/{stray}", f"owners/eve/results/{done.workload.id}"):
        (house.workspace / folder).mkdir(parents=True)
    (house.workspace / "workloads" / done.workload.id / "work").mkdir(parents=True)  # killed before it was removed
    (house.workspace / "incoming" / stray).write_bytes(b"x")
    (house.workspace / "owners/ada/data").mkdir(parents=True)
    (house.workspace / "owners/ada/data/mine.txt").write_text("mine")
    await house.start()
    assert house.traces(stray) == []
    assert house.traces(done.workload.id) == [house.workspace / "owners/ada/results" / done.workload.id]
    assert (house.workspace / "incoming" / kept.uploads[0].id).read_bytes() == b"a"
    assert (house.workspace / "owners/ada/data/mine.txt").exists()


async def test_a_start_notes_an_upload_that_was_complete_before_the_kill(house: House) -> None:
    new = await house.create(b"ab")
    await house.stop()
    (house.workspace / "incoming" / new.uploads[0].id).write_bytes(b"ab")
    await house.start()
    await house.until(new.workload.id, State.QUEUED)


async def test_a_cancel_cuts_a_long_step_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, begun = asyncio.get_running_loop(), asyncio.Event()

    def endless(_places: object, _workload: object, _arrived: object, halt: object) -> None:
        assert isinstance(halt, Halt)
        loop.call_soon_threadsafe(begun.set)
        assert halt.wait(WAIT_S)
        raise Halted

    monkeypatch.setattr("penstock.workloads.intake.take_in", endless)
    new = await house.create(b"")
    await asyncio.wait_for(begun.wait(), WAIT_S)
    await house.workloads.cancel("ada", new.workload.id)
    await house.until(new.workload.id, State.CANCELED)


async def test_a_canceled_workload_is_acknowledged_like_any_other(house: House) -> None:
    new = await house.create(b"a")
    with pytest.raises(Conflict):
        await house.workloads.acknowledge("ada", new.workload.id)
    await house.workloads.cancel("ada", new.workload.id)
    await house.until(new.workload.id, State.CANCELED)
    for _ in range(3):
        await house.workloads.acknowledge("ada", new.workload.id)
    await house.until_gone(new.workload.id)
    await house.workloads.acknowledge("ada", new.workload.id)
