"""From a workload to its head task, compared as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from penstock.pipelines.engines import head_task
from penstock.pipelines.service import read_pipeline
from penstock.tasks.models import Executor, FileType, Input, Kind, Mount, NewTask, Resources, TaskSpec, Terms

WORKLOAD = "01jd0000000000000000000000"
ROOT = f"/workspace/workloads/{WORKLOAD}"


def test_a_head_task_sees_inputs_and_pipeline_and_writes_into_the_work_folder(write: Callable[..., Path]) -> None:
    pipeline = read_pipeline(write(old="title: Counting", new="title: Counting\nimage: my/tools:2"))
    assert head_task(pipeline, WORKLOAD, "anna") == NewTask(
        owner="anna",
        workload=WORKLOAD,
        kind=Kind.HEAD,
        key="head",
        terms=Terms(cpu_cores=0.05, ram_gb=0.5, mounts=[Mount(url=f"file://{ROOT}/work", path=f"{ROOT}/work")]),
        spec=TaskSpec(
            name="count 1",
            inputs=[
                Input(url=f"file://{ROOT}/inputs", path=f"{ROOT}/inputs", type=FileType.DIRECTORY),
                Input(url=f"file://{ROOT}/pipeline", path=f"{ROOT}/pipeline", type=FileType.DIRECTORY),
            ],
            resources=Resources(cpu_cores=0.05, ram_gb=0.5),
            executors=[
                Executor(
                    image="penstock/tools:1",
                    command=[
                        "snakemake",
                        *("--snakefile", f"{ROOT}/pipeline/Snakefile"),
                        *("--directory", f"{ROOT}/work"),
                        *("--configfile", f"{ROOT}/work/config.json"),
                        *("--executor", "penstock", "--penstock-image", "my/tools:2"),
                        *("--jobs", "unlimited", "--max-jobs-per-timespan", "1000000/0s"),
                        *("--scheduler", "greedy", "--default-resources", "tmpdir='/tmp'", "disk_mb=0"),
                        *("--shared-fs-usage", "input-output", "persistence"),
                        *("software-deployment", "sources", "storage-local-copies"),
                        *("--runtime-source-cache-path", "/tmp/penstock-sources"),
                        *("--latency-wait", "1", "--rerun-triggers", "mtime", "--quiet", "host"),
                        *("--nolock", "--ignore-incomplete", "--drop-metadata"),
                    ],
                    workdir=f"{ROOT}/work",
                    env={"HOME": "/tmp", "XDG_CACHE_HOME": "/tmp/cache"},
                )
            ],
            tags={"pipeline": "count", "version": "1", "digest": pipeline.digest},
        ),
    )


def test_making_it_again_makes_the_same(write: Callable[..., Path]) -> None:
    pipeline = read_pipeline(write())
    assert head_task(pipeline, WORKLOAD, "anna") == head_task(pipeline, WORKLOAD, "anna")
