"""Links that an executor leaves must never lead the runner, which works outside, to this machine's own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.backends.conftest import Bench

from penstock.tasks.models import Outcome

URL = "file:///workspace/owners/someone/data"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this machine that the runner can read and write, and no task may."""
    file = tmp_path / "secret" / "file"
    file.parent.mkdir()
    file.write_text("secret")
    return file


async def test_an_output_that_is_a_link_to_a_system_file_is_not_published(bench: Bench) -> None:
    report = await bench.run("ln -s /etc/passwd /out", outputs=[{"path": "/out", "url": f"{URL}/x"}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "/out" in report.reason
    assert report.log.outputs == []


async def test_an_output_that_is_a_link_out_of_the_sandbox_does_not_exist(bench: Bench, secret: Path) -> None:
    for target in (str(secret), "../" * 40 + str(secret)[1:], f"/proc/self/root{secret}"):
        report = await bench.run(["ln", "-s", target, "/out"], outputs=[{"path": "/out", "url": f"{URL}/x"}])
        assert report.outcome is Outcome.SYSTEM_ERROR
        assert report.log.outputs == []


async def test_a_directory_link_out_of_the_sandbox_is_not_walked(bench: Bench, secret: Path) -> None:
    outputs = [{"path": "/out", "url": f"{URL}/x", "type": "DIRECTORY"}]
    linked = await bench.run(f"rmdir /out; ln -s {secret.parent} /out", outputs=outputs)
    inside = await bench.run(f"ln -s {secret.parent} /out/d; ln -s {secret} /out/f", outputs=outputs)
    assert linked.outcome is Outcome.SYSTEM_ERROR
    assert linked.log.outputs == bench.files(inside) == []
    assert len([line for line in inside.log.system_logs if "is left out" in line]) == 2


async def test_wildcards_do_not_go_through_links_out_of_the_sandbox(bench: Bench, secret: Path) -> None:
    outputs = [{"path": "/o/*/*", "path_prefix": "/o/", "url": f"{URL}/x"}]
    report = await bench.run(f"ln -s {secret.parent} /o/d; mkdir /o/e; ln -s {secret} /o/e/f", outputs=outputs)
    assert report.outcome is Outcome.COMPLETE
    assert report.log.outputs == []


async def test_stdout_is_not_written_through_a_link(bench: Bench, secret: Path) -> None:
    work = bench.work(f"ln -s {secret} /log; ln -s {secret.parent} /logs", "echo overwritten")
    for path in ("/log", "/logs/file", "/logs/new"):
        work = bench.work(f"ln -s {secret} /log; ln -s {secret.parent} /logs", "echo overwritten")
        work.spec.executors[1].stdout = path
        await bench.backend.start(work)
        report = await bench.until("finished", work)
        assert report.outcome is Outcome.SYSTEM_ERROR
        assert len(report.log.executors) == 1
    assert [(file.name, file.read_text()) for file in secret.parent.iterdir()] == [("file", "secret")]


async def test_stdin_is_not_read_through_a_link(bench: Bench, secret: Path) -> None:
    work = bench.work(f"ln -s {secret} /in", "cat")
    work.spec.executors[1].stdin = "/in"
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.SYSTEM_ERROR


async def test_a_fifo_does_not_hold_the_runner(bench: Bench) -> None:
    for stream in ("stdin", "stdout"):
        work = bench.work("mkfifo /pipe", "true")
        setattr(work.spec.executors[1], stream, "/pipe")
        await bench.backend.start(work)
        report = await bench.until("finished", work)
        assert report.outcome is Outcome.SYSTEM_ERROR
        assert f"{stream} /pipe" in report.reason


async def test_a_working_directory_is_not_made_through_a_link(bench: Bench, secret: Path) -> None:
    work = bench.work(f"ln -s {secret.parent} /w", "true")
    work.spec.executors[1].workdir = "/w/made"
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert not (secret.parent / "made").exists()


async def test_a_mount_point_swapped_for_a_link_is_refused(bench: Bench, secret: Path) -> None:
    """Bubblewrap itself would follow the link while it mounts, still outside."""
    inputs = [{"path": "/data/deep/new", "content": "x"}]
    report = await bench.run(f"mv /data /gone; ln -s ../oldroot{secret.parent} /data", "true", inputs=inputs)
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert len(report.log.executors) == 1
    assert [file.name for file in secret.parent.iterdir()] == ["file"]


async def test_an_input_that_links_out_of_the_workspace_is_refused(bench: Bench, secret: Path) -> None:
    folder = bench.workspace / "workloads/w1/work"
    folder.mkdir(parents=True)
    other = bench.put("workloads/w2/work/x", "another workload's").removeprefix("file://")
    for number, target in enumerate([str(secret), other, "../../w2/work/x", "../../../../../../../etc/passwd"]):
        (folder / f"l{number}").symlink_to(target)
        url = f"file:///workspace/workloads/w1/work/l{number}"
        report = await bench.run("cat /in", inputs=[{"path": "/in", "url": url}])
        assert report.outcome is Outcome.SYSTEM_ERROR, target
        assert url in report.reason


async def test_an_input_may_be_a_link_inside_of_its_workload(bench: Bench) -> None:
    bench.put("workloads/w1/inputs/reads/a", "reads")
    folder = bench.workspace / "workloads/w1/work"
    folder.mkdir(parents=True)
    (folder / "absolute").symlink_to("/workspace/workloads/w1/inputs/reads/a")
    (folder / "relative").symlink_to("../inputs/reads/a")
    inputs = [{"path": f"/in/{n}", "url": f"file:///workspace/workloads/w1/work/{n}"} for n in ("absolute", "relative")]
    report = await bench.run("cat /in/*", inputs=inputs)
    assert report.log.executors[0].stdout == "readsreads"


async def test_an_output_may_be_a_link_to_an_input_or_to_another_output(bench: Bench) -> None:
    bench.put("workloads/w1/inputs/a", "input")
    report = await bench.run(
        "ln -s /in/a /o/1; echo made >/o/2; ln -s 2 /o/3",
        inputs=[{"path": "/in/a", "url": "file:///workspace/workloads/w1/inputs/a"}],
        outputs=[{"path": f"/o/{n}", "url": f"{URL}/{n}"} for n in (3, 1, 2)],
    )
    assert report.outcome is Outcome.COMPLETE
    assert bench.published(report) == {f"{URL}/1": "input", f"{URL}/2": "made\n", f"{URL}/3": "made\n"}
    assert (bench.workspace / "workloads/w1/inputs/a").read_text() == "input"
    assert len({output.source for output in report.log.outputs}) == 3
