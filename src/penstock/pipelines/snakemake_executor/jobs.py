"""What is read off Snakemake's own job objects, which have no types: the only place that knows their attributes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from snakemake.io import is_flagged
from snakemake.shell import shell

from penstock.pipelines.snakemake_executor.process import Named, Process, look_at

NO_FILES = ("pipe", "service", "touch")  # outputs with these flags are made by Snakemake itself, or are no files
MEGABYTES = 1000  # in a gigabyte: both sides count in powers of ten
MINUTE_S = 60


@dataclass(frozen=True)
class Run:
    """What all jobs of one run share. ``sources`` are what a nested Snakemake reads."""

    workdir: str
    image: str
    sources: tuple[str, ...]
    environment: Mapping[str, str]
    source_cache: str | None = None


def process_of(job: Any, run: Run, nested: str | None) -> Process:  # noqa: ANN401 - Snakemake's job
    """The process that does what ``job`` asks for: its own shell command, or the ``nested`` Snakemake."""
    group = job.is_group()
    return Process(
        rule=str(job.groupid) if group else str(job.rule.name),
        wildcards={} if group else {str(name): str(value) for name, value in job.wildcards_dict.items()},
        shell=shell.get_executable() or "/bin/bash",
        command=nested or shell_command(job),
        workdir=run.workdir,
        image=_image(job) or run.image,
        inputs=look_at([*map(str, job.input), *(run.sources if nested else ())], run.workdir, run.source_cache),
        outputs=tuple(_named(each, run.workdir) for each in _outputs(job)),
        logs=tuple(_named(each, run.workdir).path for each in job.log),
        threads=max(1, int(job.threads)),
        ram_gb=_gigabytes(job.resources, "mem"),
        disk_gb=_gigabytes(job.resources, "disk"),
        time_limit_s=_time_limit(job.resources),
        environment=run.environment,
        attempt=int(job.attempt),
    )


def shell_command(job: Any) -> str:  # noqa: ANN401
    """The command of a shell rule as Snakemake itself would give it to the shell, with the Snakefile's prefix."""
    prefix, suffix = shell._get_process_prefix(), shell._process_suffix
    return f"{prefix} {job.shellcmd} {suffix}".strip()


def needs_snakemake(job: Any) -> bool:  # noqa: ANN401
    """Whether more than a shell command is to be run: a script, Python code, a group, a benchmark, a shadow folder."""
    return bool(job.is_group() or not job.is_shell or job.benchmark or job.is_shadow)


def is_last_try(job: Any) -> bool:  # noqa: ANN401
    """Whether Snakemake will not run the job again when it has failed (its rule's ``retries``)."""
    return bool(job.restart_times <= job.attempt - 1)


def _outputs(job: Any) -> Iterator[Any]:  # noqa: ANN401
    members = job.jobs if job.is_group() else [job]
    consumed = {str(each) for member in members for each in member.input}
    for member in members:
        for output in member.output:
            gone = is_flagged(output, "temp") and str(output) in consumed  # removed before the group ends
            if not gone and not any(is_flagged(output, flag) for flag in NO_FILES):
                yield output
        if member.benchmark:
            yield member.benchmark


def _named(each: Any, workdir: str) -> Named:  # noqa: ANN401
    path = os.path.normpath(os.path.join(workdir, str(each)))  # noqa: PTH118 - pathlib cannot resolve '..' without I/O
    return Named(path, bool(is_flagged(each, "directory")))


def _image(job: Any) -> str | None:  # noqa: ANN401
    url = None if job.is_group() else job.container_img_url
    return str(url).removeprefix("docker://") if url else None


def _gigabytes(resources: Any, kind: str) -> float | None:  # noqa: ANN401
    for name, scale in ((f"{kind}_mb", MEGABYTES), (f"{kind}_gb", 1)):
        value = resources.get(name)
        if isinstance(value, int | float):
            return value / scale
    return None


def _time_limit(resources: Any) -> int | None:  # noqa: ANN401
    minutes = resources.get("runtime")
    return int(minutes * MINUTE_S) if isinstance(minutes, int | float) else None
