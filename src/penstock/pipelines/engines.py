"""From a workload to the head task that runs its engine: pure builders."""

from __future__ import annotations

from penstock.names import TOOLS_IMAGE
from penstock.pipelines.models import Pipeline
from penstock.tasks.models import Executor, FileType, Input, Kind, Mount, NewTask, Resources, TaskSpec, Terms

HEAD_KEY = "head"
SOURCE_CACHE = "/tmp/penstock-sources"  # noqa: S108 - the sandbox's own /tmp; the same for every attempt, so keys are too
# What a process that runs Snakemake itself may take as it is; the head's cache of sources is not among it.
SHARED = ("input-output", "persistence", "software-deployment", "sources", "storage-local-copies")


def workload_path(workload: str) -> str:
    """Where everything of a workload is seen, in the head's sandbox and in its processes' alike."""
    return f"/workspace/workloads/{workload}"


def head_task(pipeline: Pipeline, workload: str, owner: str) -> NewTask:
    """The head task of ``workload``. Its key makes creating it again harmless."""
    root = workload_path(workload)
    head = pipeline.definition.resources.head
    return NewTask(
        owner=owner,
        workload=workload,
        kind=Kind.HEAD,
        key=HEAD_KEY,
        terms=Terms(
            cpu_cores=head.cpu_cores,
            ram_gb=head.ram_gb,
            mounts=[Mount(url=f"file://{root}/work", path=f"{root}/work")],
        ),
        spec=TaskSpec(
            name=f"{pipeline.name} {pipeline.version}",
            inputs=[_folder(f"{root}/inputs"), _folder(f"{root}/pipeline")],
            resources=Resources(cpu_cores=head.cpu_cores, ram_gb=head.ram_gb),
            executors=[
                Executor(
                    image=TOOLS_IMAGE,
                    command=snakemake_command(root, pipeline.definition.image),
                    workdir=f"{root}/work",
                    env=_ENVIRONMENT,
                )
            ],
            tags={"pipeline": pipeline.name, "version": pipeline.version, "digest": pipeline.digest},
        ),
    )


# Snakemake writes its source cache below the home directory, which a sandbox lacks.
_ENVIRONMENT = {"HOME": "/tmp", "XDG_CACHE_HOME": "/tmp/cache"}  # noqa: S108 - the sandbox's own /tmp


def snakemake_command(root: str, image: str = TOOLS_IMAGE) -> list[str]:
    """How Snakemake is started for the workload that lies at ``root``; its processes run in ``image``.

    Outputs appear whole or not at all, so neither locks nor marks of incomplete files nor records of earlier runs say
    anything that the files themselves do not. Snakemake's own limit of submissions is off, because the queue has one,
    and because its timer holds the end of every run up for a second.
    """
    return [
        "snakemake",
        *("--snakefile", f"{root}/pipeline/Snakefile"),
        *("--directory", f"{root}/work"),
        *("--configfile", f"{root}/work/config.json"),
        *("--executor", "penstock"),
        *("--penstock-image", image),
        *("--jobs", "unlimited"),
        *("--max-jobs-per-timespan", "1000000/0s"),
        *("--scheduler", "greedy"),
        # Snakemake's own guess for a rule without inputs is 50 GB of disk: many a site has less.
        *("--default-resources", "tmpdir='/tmp'", "disk_mb=0"),
        *("--shared-fs-usage", *SHARED),
        *("--runtime-source-cache-path", SOURCE_CACHE),
        *("--latency-wait", "1"),
        *("--rerun-triggers", "mtime"),
        *("--quiet", "host"),
        "--nolock",
        "--ignore-incomplete",
        "--drop-metadata",
    ]


def _folder(path: str) -> Input:
    return Input(url=f"file://{path}", path=path, type=FileType.DIRECTORY)
