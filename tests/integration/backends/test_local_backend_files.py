"""Inputs that appear and outputs that are found."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from tests.integration.backends.conftest import Bench

from penstock.tasks.models import FileType, Outcome

URL = "file:///workspace/owners/someone/data"


async def test_content_appears_where_the_task_says(bench: Bench) -> None:
    text = "line\r\nü \0 end" + "x" * 200_000
    report = await bench.run(
        "cat '/a b/c' >/copy", inputs=[{"path": "/a b/c", "content": text}], outputs=[{"path": "/copy", "url": URL}]
    )
    folder = bench.folder(bench.works[report.attempt])
    assert (folder / "root/copy").read_bytes() == text.encode()


async def test_files_and_directories_of_the_workspace_appear_without_a_copy(bench: Bench) -> None:
    bench.put("owners/someone/data/d/sub/x", "deep")
    url = bench.put("owners/someone/data/f", "file")
    report = await bench.run(
        "cat /in/f /in/d/sub/x; df /in/f | tail -1 | wc -l",
        inputs=[{"path": "/in/f", "url": url}, {"path": "/in/d", "url": f"{URL}/d/", "type": "DIRECTORY"}],
    )
    assert report.log.executors[0].stdout == "filedeep1\n"


@pytest.mark.parametrize("name", ["a b", "ümläut-日本", "quote'\"$(id)", "100%41#x?y", "-dash", "star*"])
async def test_names_are_taken_as_they_are(bench: Bench, name: str) -> None:
    url = bench.put(f"owners/someone/data/{name}", "text")
    report = await bench.run(
        ["cp", "--", f"/in/{name}", f"/out/{name}.copy"],
        inputs=[{"path": f"/in/{name}", "url": url}],
        outputs=[{"path": "/out", "url": f"{URL}/out", "type": "DIRECTORY"}],
    )
    assert report.outcome is Outcome.COMPLETE, report.reason
    assert bench.published(report) == {f"{URL}/out/{name}.copy": "text"}


async def test_a_name_that_no_url_can_carry_is_told(bench: Bench) -> None:
    for name in (r"new\nline", r"\377"):
        report = await bench.run(
            f"touch \"$(printf '/out/a{name}b')\"", outputs=[{"path": "/out", "url": URL, "type": "DIRECTORY"}]
        )
        assert report.outcome is Outcome.SYSTEM_ERROR
        assert "cannot be published" in report.reason


@pytest.mark.parametrize(
    "given",
    [
        {"url": "file:///workspace/owners/someone/data/missing"},
        {"url": "gopher://example.org/x"},
        {"url": "irods://zone/x"},
        {"url": "file:///etc/passwd"},
        {"url": "file:///workspace/../etc/passwd"},
        {"url": "/workspace/x"},
    ],
)
async def test_an_input_that_cannot_be_is_named(bench: Bench, given: dict[str, Any]) -> None:
    report = await bench.run("true", inputs=[{"path": "/in", **given}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert given["url"] in report.reason
    assert report.log.executors == []
    assert report.reason in report.log.system_logs


async def test_an_input_of_the_wrong_type_is_named(bench: Bench) -> None:
    url = bench.put("owners/someone/data/f", "file")
    report = await bench.run("true", inputs=[{"path": "/in", "url": url, "type": "DIRECTORY"}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert url in report.reason


async def test_allowed_folders_may_be_named(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed/x").write_text("allowed")
    (tmp_path / "other").write_text("other")
    (tmp_path / "allowed/link").symlink_to("../other")
    good = await bench.run("cat /in", inputs=[{"path": "/in", "url": f"file://{tmp_path}/allowed/x"}])
    link = await bench.run("cat /in", inputs=[{"path": "/in", "url": f"file://{tmp_path}/allowed/link"}])
    other = await bench.run("cat /in", inputs=[{"path": "/in", "url": f"file://{tmp_path}/other"}])
    assert good.log.executors[0].stdout == "allowed"
    assert link.outcome is other.outcome is Outcome.SYSTEM_ERROR


async def test_inputs_and_outputs_may_lie_in_an_input_directory(bench: Bench) -> None:
    bench.put("owners/someone/data/d/old", "old")
    bench.put("owners/someone/data/d/sub/x", "x")
    bench.put("owners/someone/data/d/other/y", "y")
    report = await bench.run(
        "cat /d/old /d/sub/x /d/other/y /d/sub/added; echo out >/d/sub/result; touch /d/old",
        inputs=[
            {"path": "/d/sub/added", "content": "added"},
            {"path": "/d", "url": f"{URL}/d", "type": "DIRECTORY"},
        ],
        outputs=[{"path": "/d/sub/result", "url": f"{URL}/result"}],
    )
    assert report.log.executors[0].stdout == "oldxyadded"
    assert "Read-only" in report.log.executors[0].stderr
    assert bench.published(report) == {f"{URL}/result": "out\n"}
    assert sorted(path.name for path in (bench.workspace / "owners/someone/data/d").rglob("*")) == [
        "old", "other", "sub", "x", "y",
    ]  # fmt: skip


async def test_a_directory_is_published_file_by_file(bench: Bench) -> None:
    report = await bench.run(
        "mkdir -p /o/a/b /o/empty; echo 1 >/o/1; echo 22 >/o/a/b/2; echo h >/o/.hidden",
        outputs=[{"path": "/o", "url": f"{URL}/o/", "type": "DIRECTORY"}],
    )
    assert bench.published(report) == {f"{URL}/o/1": "1\n", f"{URL}/o/a/b/2": "22\n", f"{URL}/o/.hidden": "h\n"}
    assert {(output.path, output.size_bytes) for output in bench.files(report)} == {
        ("/o/1", 2), ("/o/a/b/2", 3), ("/o/.hidden", 2),
    }  # fmt: skip


async def test_empty_directories_are_told_too(bench: Bench) -> None:
    outputs = [{"path": "/o", "url": f"{URL}/o/", "type": "DIRECTORY"}]
    report = await bench.run("mkdir -p /o/a/empty", outputs=outputs)
    assert [(output.type, output.source, output.url) for output in report.log.outputs] == [
        (FileType.DIRECTORY, None, f"{URL}/o{rest}") for rest in ("", "/a", "/a/empty")
    ]


async def test_wildcards_match_in_one_directory(bench: Bench) -> None:
    report = await bench.run(
        "cd /o; mkdir d; touch d/x.txt .h.txt a.log; echo a >a.txt; echo b >b.txt; echo c >d/c.txt",
        outputs=[
            {"path": "/o/*.txt", "path_prefix": "/o/", "url": f"{URL}/flat"},
            {"path": "/o/[c-e]/c.tx?", "path_prefix": "/o", "url": f"{URL}/deep/"},
            {"path": "/o/*.nothing", "path_prefix": "/o", "url": f"{URL}/none/"},
        ],
    )
    assert report.outcome is Outcome.COMPLETE
    assert bench.published(report) == {
        f"{URL}/flat/a.txt": "a\n", f"{URL}/flat/b.txt": "b\n", f"{URL}/deep/d/c.txt": "c\n",
    }  # fmt: skip


async def test_a_missing_output_is_named_and_the_others_are_published(bench: Bench) -> None:
    outputs = [{"path": f"/o/{name}", "url": f"{URL}/{name}"} for name in ("missing", "made")]
    report = await bench.run("echo x >/o/made", outputs=outputs)
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert report.reason == "The output /o/missing does not exist."
    assert bench.published(report) == {f"{URL}/made": "x\n"}


async def test_outputs_are_published_after_a_failure_too(bench: Bench) -> None:
    outputs = [{"path": f"/o/{name}", "url": f"{URL}/{name}"} for name in ("missing", "made")]
    report = await bench.run("echo x >/o/made; exit 4", outputs=outputs)
    assert report.outcome is Outcome.EXECUTOR_ERROR
    assert report.reason == "Executor 1 ended with exit code 4."
    assert bench.published(report) == {f"{URL}/made": "x\n"}


async def test_mount_points_are_not_published_as_empty_files(bench: Bench) -> None:
    url = bench.put("owners/someone/data/in", "text")
    report = await bench.run(
        "echo new >/w/new",
        inputs=[{"path": "/w/in", "url": url}, {"path": "/w/text", "content": "text"}],
        outputs=[
            {"path": "/w", "url": f"{URL}/o", "type": "DIRECTORY"},
            {"path": "/w/*", "path_prefix": "/w", "url": f"{URL}/p"},
        ],
    )
    assert bench.published(report) == {f"{URL}/o/new": "new\n", f"{URL}/p/new": "new\n"}


async def test_an_input_named_as_an_output_is_published_whole(bench: Bench) -> None:
    url = bench.put("owners/someone/data/in", "text")
    report = await bench.run(
        "true", inputs=[{"path": "/w/in", "url": url}], outputs=[{"path": "/w/in", "url": f"{URL}/o"}]
    )
    assert bench.published(report) == {f"{URL}/o": "text"}


async def test_outputs_to_where_nothing_can_be_sent_are_refused(bench: Bench) -> None:
    report = await bench.run("true", outputs=[{"path": "/o", "url": "irods://zone/o"}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert "irods://zone/o" in report.reason


async def test_outputs_are_readable_by_the_group_whatever_the_executor_did(bench: Bench) -> None:
    report = await bench.run(
        "mkdir /o/d; echo x >/o/d/x; chmod 000 /o/d/x; chmod 4777 /o; chmod 500 /o/d",
        outputs=[{"path": "/o", "url": URL, "type": "DIRECTORY"}],
    )
    [output] = bench.files(report)
    assert output.source is not None
    file = bench.folder(bench.works[report.attempt]) / output.source
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert stat.S_IMODE(file.parent.stat().st_mode) & 0o700 == 0o700


async def test_special_files_are_left_out(bench: Bench) -> None:
    report = await bench.run(
        "mkfifo /o/pipe; ln -s loop /o/loop; ln -s . /o/here; touch /o/x",
        outputs=[{"path": "/o", "url": URL, "type": "DIRECTORY"}],
    )
    assert [output.path for output in bench.files(report)] == ["/o/x"]


async def test_very_deep_and_closed_trees_are_removed(bench: Bench) -> None:
    script = "import os\nos.chdir('/tmp')\nfor i in range(1500):\n os.mkdir('d'*20); os.chdir('d'*20)\n"
    work = bench.work(["python3", "-c", script], "mkdir -p /tmp/c/d; touch /tmp/c/d/x; chmod 000 /tmp/c/d /tmp/c")
    await bench.backend.start(work)
    report = await bench.until("finished", work)
    assert report.outcome is Outcome.COMPLETE
    await bench.backend.forget(work.attempt)
    assert list((bench.workspace / "tasks").iterdir()) == []


async def test_many_outputs_are_found(bench: Bench) -> None:
    report = await bench.run(
        "cd /o; for i in $(seq 300); do echo $i >$i; done", outputs=[{"path": "/o", "url": URL, "type": "DIRECTORY"}]
    )
    assert len(bench.published(report)) == 300
