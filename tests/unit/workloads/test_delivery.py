"""Results that are sent to a bucket: which URLs are taken, the task as a whole, and what its end means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from penstock.clock import Deadline
from penstock.errors import InvalidInput, LimitReached
from penstock.signals import workload_topic
from penstock.staging.storage import Storage
from penstock.tasks import models as tasks_models
from penstock.tasks.models import Executor, FileType, Input, Kind, NewTask, Output, Progress, Resources, TaskSpec, Terms
from penstock.workloads.delivery import check_destination, delivery_task
from penstock.workloads.models import GivenInput, State, Submission, Workload
from penstock.workloads.views import New, workload_body

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
URL = "s3://lab/study/"
PLACE = f"file:///workspace/owners/ada/results/{'w' * 26}"


def workload(**fields: Any) -> Workload:
    known: dict[str, Any] = {"id": "w" * 26, "owner": "ada", "name": "", "pipeline": "lines", "version": "1"}
    times = {"created_us": 0, "updated_us": 0, "expires_us": None}
    state: dict[str, Any] = {"parameters": {}, "state": State.PACKING, "reason": "", "sequence": 1}
    return Workload(**{**known, **times, **state, **fields})


def test_the_task_copies_what_was_published_to_an_output_at_the_url() -> None:
    assert delivery_task(workload(results_to=URL)) == NewTask(
        owner="ada",
        workload="w" * 26,
        kind=Kind.PROCESS,
        key="delivery",
        terms=Terms(cpu_cores=0.1, ram_gb=0.2),
        spec=TaskSpec(
            name="send results",
            inputs=[
                Input(url=f"{PLACE}/files", path="/results/files", type=FileType.DIRECTORY),
                Input(url=f"{PLACE}/manifest.sha256", path="/results/manifest.sha256"),
            ],
            outputs=[Output(url=URL, path="/out/sent", type=FileType.DIRECTORY)],
            resources=Resources(cpu_cores=0.1, ram_gb=0.2),
            executors=[
                Executor(
                    image="penstock/tools:1",
                    command=[
                        "sh",
                        "-c",
                        "mkdir -p /out/sent && cp -R /results/files/. /results/manifest.sha256 /out/sent/",
                    ],
                )
            ],
            tags={"rule": "send results"},
        ),
    )


def test_there_is_no_task_where_nothing_is_to_be_sent() -> None:
    with pytest.raises(ValueError, match="not to be sent"):
        delivery_task(workload())


@pytest.mark.parametrize("url", ["s3://lab", "s3://lab/", "s3://lab/a b/ü", "S3://lab/x", "gs://lab/x/", "az://lab/x"])
def test_a_folder_of_a_bucket_is_taken(url: str) -> None:
    check_destination(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "cannot be sent to ''"),
        ("results/", "cannot be sent"),
        ("file:///workspace/owners/ada/data/x", "cannot be sent"),
        ("https://127.0.0.1/x?signature=hidden", "cannot be sent"),
        ("ftp://host/x", "cannot be sent"),
        ("s3://key:hidden@lab/x", "holds credentials"),
        ("s3://hidden@lab/x", "holds credentials"),
        ("s3:///x", "names no bucket"),
        ("s3://a b/x", "names no bucket"),
        ("s3://lab/../x", "is not plain"),
        ("s3://lab/x/..", "is not plain"),
        ("s3://lab//x", "is not plain"),
        ("s3://lab/x\ny", "is not plain"),
    ],
)
def test_what_is_no_folder_of_a_bucket_is_refused_without_its_secrets(url: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        check_destination(url)
    assert "hidden" not in str(caught.value)


async def create(house: Any, url: str = URL) -> New:
    """A workload with nothing to upload."""
    house.storage = [Storage(name="lab", scheme="s3", bucket="lab")]
    inputs = [GivenInput(role="text", name="a.txt", size=0, sha256=EMPTY)]
    made: New = await house.workloads.create("ada", Submission(pipeline="lines", inputs=inputs, results_to=url))
    return made


async def sending(house: Any) -> str:
    """The id of a workload whose results are being sent."""
    new = await create(house)
    await house.play(new.workload.id)
    await until_told(house, new.workload.id)
    return new.workload.id


async def until_told(house: Any, workload: str) -> None:
    after, deadline = 0, Deadline.after(20)
    while not deadline.passed:
        look = await house.workloads.look("ada", workload, after, deadline)
        if look.workload.reason == f"Sending the results to {URL}.":
            assert look.workload.state is State.PACKING
            return
        after = look.workload.sequence
    pytest.fail(look.workload.reason)


async def shown(house: Any, workload: str) -> Any:
    return workload_body(await house.workloads.look("ada", workload, 0, Deadline.after(0)), "http://x")


async def test_a_bucket_that_no_credentials_open_is_refused_at_once(house: Any) -> None:
    with pytest.raises(InvalidInput, match="no storage credentials that open 's3://other/x'") as caught:
        await create(house, "s3://other/x")
    assert "penstock credentials set" in caught.value.hint
    assert await house.workloads.page("ada", None, None, 10) == []


async def test_results_that_were_sent_end_a_workload(house: Any) -> None:
    workload = await sending(house)
    assert (await shown(house, workload)).results_sent_at is None
    house.queue.deliver(workload, tasks_models.State.RUNNING)
    house.queue.deliver(workload, tasks_models.State.COMPLETE)
    await house.until(workload, State.SUCCEEDED)
    body = await shown(house, workload)
    assert (body.results_to, body.results_sent_at, body.reason) == (URL, "1970-01-01T00:00:00.000007Z", "")
    assert {"x.txt", "report.html", "ro-crate-metadata.json"} <= {one.name for one in body.results}


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        (tasks_models.State.SYSTEM_ERROR, "s3://lab/x cannot be sent: denied.", "s3://lab/x cannot be sent: denied."),
        (tasks_models.State.EXECUTOR_ERROR, "It exited with 1.", "It exited with 1."),
        (tasks_models.State.CANCELED, "", "its task ended as CANCELED."),
    ],
)
async def test_results_that_cannot_be_sent_are_here_all_the_same(
    house: Any, state: tasks_models.State, reason: str, told: str
) -> None:
    workload = await sending(house)
    house.queue.deliver(workload, state, reason)
    await house.until(workload, State.SUCCEEDED)
    body = await shown(house, workload)
    assert body.reason == f"The results are here, but could not be sent to {URL}: {told}"
    assert body.results_sent_at is None
    assert body.results
    assert (house.workspace / "owners/ada/results" / workload / "files/x.txt").read_text() == "x"


async def test_a_task_that_is_refused_leaves_the_results_here(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    new = await create(house)
    create_task = house.queue.create

    async def refuse(wanted: Sequence[NewTask]) -> Any:
        if wanted[0].key == "delivery":
            raise LimitReached("Too many.")
        return await create_task(wanted)

    monkeypatch.setattr(house.queue, "create", refuse)
    await house.play(new.workload.id)
    await house.until(new.workload.id, State.SUCCEEDED)
    assert (await shown(house, new.workload.id)).reason.endswith(f"could not be sent to {URL}: Too many.")


async def test_a_task_of_the_pipeline_s_own_cannot_stand_in_for_the_sending(house: Any) -> None:
    new = await create(house)
    spec = TaskSpec(executors=[Executor(image="i", command=["true"])])
    await house.queue.create([NewTask(owner="ada", workload=new.workload.id, key="delivery", spec=spec)])
    house.queue.deliver(new.workload.id, tasks_models.State.COMPLETE)
    await house.play(new.workload.id)
    await house.until(new.workload.id, State.SUCCEEDED)
    body = await shown(house, new.workload.id)
    assert body.results_sent_at is None
    assert "stands in for the sending" in body.reason


async def test_a_restarted_server_goes_on_with_the_same_task(house: Any) -> None:
    workload = await sending(house)
    task = house.queue.deliveries[workload].id
    await house.stop()
    await house.start()
    house.queue.deliver(workload, tasks_models.State.COMPLETE)
    await house.until(workload, State.SUCCEEDED)
    assert house.queue.deliveries[workload].id == task
    assert (await shown(house, workload)).results_sent_at is not None
    told = [one.reason for one in await house.workloads.events("ada", workload) if one.state is State.PACKING]
    assert told == ["", f"Sending the results to {URL}."]


async def test_a_cancel_ends_the_sending(house: Any) -> None:
    workload = await sending(house)
    await house.workloads.cancel("ada", workload)
    await house.until(workload, State.CANCELED)
    assert house.queue.deliveries[workload].state is tasks_models.State.CANCELED
    assert house.traces(workload) == []


async def test_the_sending_is_one_process_more_than_the_engine_expects(house: Any) -> None:
    workload = await sending(house)
    rules = {"count": {"total": 2, "done": 2}, "send results": {"total": 1, "running": 1}}
    house.queue.counts = Progress(total=2, done=2, running=1, rules=rules)
    house.signals.notify(workload_topic(workload))
    assert (await shown(house, workload)).progress.total == 3
