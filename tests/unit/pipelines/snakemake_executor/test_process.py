"""From a process to the body of a TES task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from penstock.pipelines.snakemake_executor.process import (
    COMMAND_FILE,
    LONGEST_ARGUMENT,
    Named,
    Process,
    key_of,
    look_at,
    task_of,
)
from penstock.tasks.models import TaskSpec

WORK = "/workspace/workloads/w/work"
ALIGN = Process(  # noqa: S604 - "shell" is a field of ours, not an option of subprocess
    rule="align",
    wildcards={"sample": "a", "chunk": "3"},
    shell="/bin/bash",
    command="set -euo pipefail;  bwa mem ref.fa a.fq > out/a.sam",
    workdir=WORK,
    image="penstock/tools:1",
    inputs=(Named(f"{WORK}/ref.fa", size=10, mtime_ns=5), Named(f"{WORK}/reads", directory=True)),
    outputs=(Named(f"{WORK}/out/a.sam"),),
    logs=(f"{WORK}/logs/a b.log",),
    threads=2,
    ram_gb=1.5,
    time_limit_s=60,
    environment={"TOKENS": "none"},
)


def test_a_task_shows_every_file_at_its_own_path_and_says_what_the_process_needs() -> None:
    assert task_of(ALIGN) == {
        "name": "align[sample=a,chunk=3]",
        "tags": {"rule": "align"},
        "inputs": [
            {"url": f"file://{WORK}/ref.fa", "path": f"{WORK}/ref.fa", "type": "FILE"},
            {"url": f"file://{WORK}/reads", "path": f"{WORK}/reads", "type": "DIRECTORY"},
        ],
        "outputs": [
            {"url": f"file://{WORK}/out/a.sam", "path": f"{WORK}/out/a.sam", "type": "FILE"},
            {"url": f"file://{WORK}/logs/a b.log", "path": f"{WORK}/logs/a b.log", "type": "FILE"},
        ],
        "resources": {"cpu_cores": 2, "ram_gb": 1.5, "backend_parameters": {"time_limit_s": "60"}},
        "executors": [
            {
                "image": "penstock/tools:1",
                "command": [
                    "/bin/bash",
                    "-c",
                    f"mkdir -p {WORK}/logs {WORK}/out || exit\n"
                    f"touch '{WORK}/logs/a b.log' || exit\n"
                    "set -euo pipefail;  bwa mem ref.fa a.fq > out/a.sam",
                ],
                "workdir": WORK,
                "env": {
                    "HOME": "/tmp",
                    "TMPDIR": "/tmp",
                    "OMP_NUM_THREADS": "2",
                    "GOTO_NUM_THREADS": "2",
                    "OPENBLAS_NUM_THREADS": "2",
                    "MKL_NUM_THREADS": "2",
                    "VECLIB_MAXIMUM_THREADS": "2",
                    "NUMEXPR_NUM_THREADS": "2",
                    "TOKENS": "none",
                },
            }
        ],
    }


def test_the_server_understands_every_task() -> None:
    spec = TaskSpec.model_validate(task_of(ALIGN))
    assert spec.name == "align[sample=a,chunk=3]"
    assert spec.resources is not None
    assert spec.resources.ram_gb == 1.5


def test_a_process_without_wildcards_is_called_by_its_rule() -> None:
    assert replace(ALIGN, wildcards={}).name == "align"


def test_a_directory_that_is_an_output_is_left_to_the_command_to_make() -> None:
    process = replace(ALIGN, outputs=(Named(f"{WORK}/made here", directory=True),), logs=())
    script = task_of(process)["executors"][0]["command"][2]
    assert script.splitlines()[0] == f"rmdir '{WORK}/made here' 2>/dev/null || :"


def test_a_process_that_writes_into_its_working_directory_needs_no_folder_made() -> None:
    plain = replace(ALIGN, outputs=(Named(f"{WORK}/a.sam"),), logs=())
    assert task_of(plain)["executors"][0]["command"][2] == ALIGN.command


def test_a_long_command_travels_as_a_file() -> None:
    task = task_of(replace(ALIGN, command="x" * LONGEST_ARGUMENT))
    assert task["executors"][0]["command"] == ["/bin/bash", COMMAND_FILE]
    assert task["inputs"][-1]["content"].endswith("xxx")


def test_the_key_is_the_same_whoever_asks_and_differs_with_anything_that_matters() -> None:
    key = key_of(ALIGN, "w")
    assert key == key_of(replace(ALIGN, threads=8, ram_gb=None), "w")
    changed = [
        replace(ALIGN, rule="other"),
        replace(ALIGN, wildcards={"sample": "a", "chunk": "4"}),
        replace(ALIGN, command="other"),
        replace(ALIGN, inputs=()),
        replace(ALIGN, inputs=(Named(f"{WORK}/ref.fa", size=11, mtime_ns=5),)),
        replace(ALIGN, inputs=(Named(f"{WORK}/ref.fa", size=10, mtime_ns=6),)),
        replace(ALIGN, attempt=2),
    ]
    keys = [key, key_of(ALIGN, "v"), *(key_of(process, "w") for process in changed)]
    assert len(set(keys)) == len(keys)


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_the_order_of_wildcards_does_not_change_the_key(wildcards: dict[str, str]) -> None:
    turned = dict(reversed(wildcards.items()))
    assert key_of(replace(ALIGN, wildcards=wildcards), "w") == key_of(replace(ALIGN, wildcards=turned), "w")


def test_a_key_fits_into_what_the_server_takes() -> None:
    assert len(key_of(ALIGN, "w")) == 64


def test_inputs_are_declared_once_and_not_again_within_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_text("1")
    (tmp_path / "folder.txt").write_text("22")
    named = ["folder.txt", "folder", "folder/inside", "./folder.txt", f"{tmp_path}/folder.txt"]
    found = look_at(named, str(tmp_path))
    assert [(each.path, each.directory) for each in found] == [
        (f"{tmp_path}/folder.txt", False),
        (f"{tmp_path}/folder", True),
    ]
    assert found[0].size == 2


def test_a_copy_of_a_source_is_declared_by_its_original(tmp_path: Path) -> None:
    original = tmp_path / "pipeline" / "count.py"
    original.parent.mkdir()
    original.write_text("123")
    copy = f"{tmp_path}/cache/file{original}"
    (found,) = look_at([copy], str(tmp_path), f"{tmp_path}/cache")
    assert (found.path, found.source, found.size) == (copy, str(original), 3)
    task = task_of(replace(ALIGN, inputs=(found,)))
    assert task["inputs"] == [{"url": f"file://{original}", "path": copy, "type": "FILE"}]


def test_what_every_sandbox_has_is_not_declared(tmp_path: Path) -> None:
    assert look_at(["/usr/bin/env", "/etc/passwd"], str(tmp_path)) == ()


def test_missing_outputs_are_named(tmp_path: Path) -> None:
    there, lost = tmp_path / "there", tmp_path / "lost"
    there.touch()
    process = replace(ALIGN, outputs=(Named(str(there)), Named(str(lost))))
    assert process.missing_outputs() == [str(lost)]
