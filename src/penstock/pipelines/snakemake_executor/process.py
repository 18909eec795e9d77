"""From a job of Snakemake to the body of a TES task: pure, apart from looking at the input files."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LONGEST_ARGUMENT = 100_000  # Linux takes 131,072 bytes in one argument (MAX_ARG_STRLEN)
COMMAND_FILE = "/tmp/penstock/command.sh"  # noqa: S108 - inside the sandbox
SYSTEM_FOLDERS = ("/usr/", "/bin/", "/lib/", "/lib64/", "/etc/")  # every sandbox shows its own


@dataclass(frozen=True)
class Named:
    """A file or directory by absolute path, and what shows whether it has changed."""

    path: str
    directory: bool = False
    size: int = 0
    mtime_ns: int = 0
    source: str | None = None  # where its content lies, if that is not ``path``


@dataclass(frozen=True)
class Process:
    """All that makes one process what it is."""

    rule: str
    wildcards: Mapping[str, str]
    shell: str
    command: str
    workdir: str
    image: str
    inputs: tuple[Named, ...] = ()
    outputs: tuple[Named, ...] = ()
    logs: tuple[str, ...] = ()
    threads: int = 1
    ram_gb: float | None = None
    disk_gb: float | None = None
    time_limit_s: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    attempt: int = 1

    @property
    def name(self) -> str:
        """``rule`` or ``rule[wildcard=value,…]``."""
        if not self.wildcards:
            return self.rule
        return f"{self.rule}[{','.join(f'{name}={value}' for name, value in self.wildcards.items())}]"

    def missing_outputs(self) -> list[str]:
        """Declared outputs that do not exist."""
        return [output.path for output in self.outputs if not os.path.lexists(output.path)]


def key_of(process: Process, workload: str) -> str:
    """The idempotency key: equal for the same work on the same inputs, whichever head attempt asks."""
    facts = [
        workload,
        process.rule,
        sorted(process.wildcards.items()),
        process.command,
        [(each.path, each.size, each.mtime_ns) for each in process.inputs],
        process.attempt,
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def task_of(process: Process) -> dict[str, Any]:
    """The body of TES CreateTask. Every file is seen at the same path inside as outside."""
    script = f"{_prelude(process)}{process.command}"
    inputs = [_file(each) for each in process.inputs]
    command = [process.shell, "-c", script]
    if len(script.encode()) > LONGEST_ARGUMENT:
        inputs.append({"path": COMMAND_FILE, "type": "FILE", "content": script})
        command = [process.shell, COMMAND_FILE]
    outputs = [*process.outputs, *(Named(path) for path in process.logs)]
    return {
        "name": process.name,
        "tags": {"rule": process.rule},
        "inputs": inputs,
        "outputs": [_file(each) for each in outputs],
        "resources": _resources(process),
        "executors": [
            {
                "image": process.image,
                "command": command,
                "workdir": process.workdir,
                "env": _environment(process),
            }
        ],
    }


def look_at(paths: Iterable[str], workdir: str, source_cache: str | None = None) -> tuple[Named, ...]:
    """The inputs to declare: each once, nothing that lies in a directory that is declared, no system files.

    What ``workflow.source_path`` put into Snakemake's cache of sources is declared by the file it is a copy of.
    """
    absolute = dict.fromkeys(os.path.normpath(os.path.join(workdir, path)) for path in paths)  # noqa: PTH118
    copies = f"{source_cache}/file" if source_cache else None
    found = [_seen(path, copies) for path in absolute if not path.startswith(SYSTEM_FOLDERS)]
    folders = [each.path + "/" for each in found if each.directory]
    return tuple(each for each in found if not each.path.startswith(tuple(folders)))


def _seen(path: str, copies: str | None) -> Named:
    source = path.removeprefix(copies) if copies and path.startswith(f"{copies}/") else None
    facts = Path(source or path).stat()
    return Named(path, Path(path).is_dir(), facts.st_size, facts.st_mtime_ns, source)


def _prelude(process: Process) -> str:
    """What Snakemake promises its commands: the folders of outputs exist, but not the directories that are outputs
    themselves (a TES server makes those); logs exist, even when nothing is logged.
    """
    parents = {os.path.dirname(path) for path in (*(each.path for each in process.outputs), *process.logs)}  # noqa: PTH120
    made = sorted(parents - {process.workdir})
    directories = [each.path for each in process.outputs if each.directory]
    lines = [
        f"mkdir -p {shlex.join(made)} || exit" if made else "",
        f"rmdir {shlex.join(directories)} 2>/dev/null || :" if directories else "",
        f"touch {shlex.join(process.logs)} || exit" if process.logs else "",
    ]
    return "".join(f"{line}\n" for line in lines if line)


def _file(named: Named) -> dict[str, Any]:
    return {
        "url": f"file://{named.source or named.path}",
        "path": named.path,
        "type": "DIRECTORY" if named.directory else "FILE",
    }


def _resources(process: Process) -> dict[str, Any]:
    resources: dict[str, Any] = {"cpu_cores": process.threads}
    if process.ram_gb is not None:
        resources["ram_gb"] = process.ram_gb
    if process.disk_gb is not None:
        resources["disk_gb"] = process.disk_gb
    if process.time_limit_s is not None:
        resources["backend_parameters"] = {"time_limit_s": str(process.time_limit_s)}
    return resources


def _environment(process: Process) -> dict[str, str]:
    # The libraries of linear algebra start a thread for each core of the machine unless they are told otherwise.
    libraries = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
    threads = {f"{name}_THREADS" if "_" in name else f"{name}_NUM_THREADS": str(process.threads) for name in libraries}
    return {"HOME": "/tmp", "TMPDIR": "/tmp", **threads, **process.environment}  # noqa: S108 - the sandbox's own /tmp
