"""docs/engines.md: an S3 gateway over the owners' folders, and tasks of the shapes that engines outside send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunningServer
from tests.integration.conftest import Tes
from tests.integration.transfers.gateway import Gateway
from tests.started import started

from penstock.client.credentials import Credentials
from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.staging.objects import ObjectPlace

SECRETS = {"local": "the-owners-own-secret", "another": "somebody-elses-secret"}


@pytest.fixture
def owners(open_server: RunningServer, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway over the owners' folders of the server's workspace, with an account for each."""
    root = open_server.data / "workspace" / "owners"
    for name in SECRETS:
        (root / name).mkdir(exist_ok=True)
    with started(Gateway(tmp_path, root, SECRETS)) as one:
        for name in SECRETS:
            one.own(name)
        yield one


def place(owners: Gateway, url: str, account: str = "local") -> ObjectPlace:
    """What an owner's engine sees."""
    values = {"access_key_id": account, "secret_access_key": SECRETS[account]}
    return ObjectPlace(url, owners.storage(url.split("/")[2], secret=values), allow_private=True)


def test_what_comes_by_s3_is_an_input_and_what_is_published_is_an_object(
    owners: Gateway, tasks: Tes, tmp_path: Path
) -> None:
    (tmp_path / "in").write_bytes(b"x" * (9 << 20))  # more than one part
    place(owners, "s3://local/data/run/in").send(tmp_path / "in", Deadline.after(60))
    mine = "file:///workspace/owners/local/data/run"
    done = tasks.run(
        "wc -c < /in > /out/size; ls /dir > /out/names",
        inputs=[{"path": "/in", "url": f"{mine}/in"}, {"path": "/dir", "url": mine, "type": "DIRECTORY"}],
        outputs=[{"path": "/out", "url": f"{mine}/out", "type": "DIRECTORY"}],
    )
    assert done["state"] == "COMPLETE", done
    place(owners, "s3://local/data/run/out/size").fetch(tmp_path / "size", Deadline.after(60))
    assert (tmp_path / "size").read_text().strip() == str(9 << 20)
    assert place(owners, "s3://local/data/run/").names(Deadline.after(60)) == ["in", "out/names", "out/size"]


def test_no_owner_reaches_anothers_bucket(owners: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("1")
    place(owners, "s3://local/data/x").send(tmp_path / "x", Deadline.after(30))
    with pytest.raises(InvalidInput, match="access is denied"):
        place(owners, "s3://local/data/x", "another").fetch(tmp_path / "y", Deadline.after(30))
    with pytest.raises(InvalidInput, match="access is denied"):
        place(owners, "s3://local/data/z", "another").send(tmp_path / "x", Deadline.after(30))


def test_a_task_as_nextflow_sends_it_with_a_work_directory_on_s3(
    gateway: Gateway, credentials: Credentials, tasks: Tes
) -> None:
    """Its wrapper and script come as inputs; what it looks at afterwards must be there also when the process failed."""
    values = {"access_key_id": "penstock-test", "secret_access_key": "a-secret-that-must-not-be-seen"}
    credentials.set("work", {"scheme": "s3", "bucket": "nf-work", "endpoint": gateway.url}, values)
    work = gateway.bucket("nf-work") / "ab" / "cdef"
    work.mkdir(parents=True)
    (work / ".command.sh").write_text("cat sample.txt; exit 7\n")
    (work / ".command.run").write_text("bash .command.sh > .command.out 2> .command.err; echo $? > .exitcode; exit 7\n")
    (gateway.bucket("nf-work") / "sample.txt").write_text("reads\n")
    url = "s3://nf-work/ab/cdef"
    names = [".command.out", ".command.err", ".exitcode"]
    done = tasks.wait(
        tasks.create(
            executors=[{"image": "penstock/tools:1", "workdir": "/work", "command": ["bash", ".command.run"]}],
            inputs=[
                {"path": "/work/.command.sh", "url": f"{url}/.command.sh"},
                {"path": "/work/.command.run", "url": f"{url}/.command.run"},
                {"path": "/work/sample.txt", "url": "s3://nf-work/sample.txt"},
            ],
            outputs=[{"path": f"/work/{name}", "url": f"{url}/{name}"} for name in names],
        )
    )
    assert done["state"] == "EXECUTOR_ERROR"
    assert {name: (work / name).read_text() for name in names} == {
        ".command.out": "reads\n", ".command.err": "", ".exitcode": "7\n",
    }  # fmt: skip
