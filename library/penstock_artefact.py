#!/usr/bin/python
"""Ansible module: files that a command makes, made again when what they are made from has changed."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]  # it has no types

DOCUMENTATION = r"""
module: penstock_artefact
short_description: Make files by a command, unless they were made from the same
description:
  - Runs O(command) with the variable E(ARTEFACT) set to an empty folder, and moves the files that it puts there into
    O(into), each with a file C(<name>.sha256) beside it.
  - Does nothing when the command, its environment and the content of all of O(made_from) are those of the last time,
    and the files are as they were then.
  - Whatever moment it is interrupted at, the next run finds either whole files or makes them anew.
  - Of two runs at once that make the same, the second waits for the first and takes what it made.
options:
  name:
    description: Name of the artefact; of two in one folder each has its own.
    type: str
    required: true
  command:
    description: Program and arguments, one word an item.
    type: list
    elements: str
    required: true
  chdir:
    description: Folder that it runs in.
    type: path
    required: true
  environment:
    description: Variables that it gets beside those of the playbook, and that count as a part of the command.
    type: dict
    default: {}
  made_from:
    description: Files, and folders with all that is in them, whose content decides whether it is made again.
    type: list
    elements: path
    default: []
  into:
    description: Folder of the results.
    type: path
    required: true
attributes:
  check_mode:
    support: full
    description: Says whether it would be made.
author: Penstock
"""

EXAMPLES = r"""
- name: Build the programs of etcd
  penstock_artefact:
    name: etcd
    command: [sh, -c, 'go build -o "$ARTEFACT/" tool']
    chdir: mirror/etcd
    made_from: [mirror/etcd]
    into: "{{ mirror_folder }}/etcd"
"""

RETURN = r"""
key:
  description: SHA-256 of all that decides.
  returned: always
  type: str
files:
  description: Name of each file in O(into) with its SHA-256.
  returned: always
  type: dict
seconds:
  description: How long it took.
  returned: always
  type: float
"""

RECORDS = ".made"
LAST_WORDS = 4000  # characters of a failed command's output that are shown


def files_of(tops: list[Path]) -> Iterator[tuple[str, Path]]:
    """All files below ``tops`` in a fixed order, each with a name that does not depend on where the checkout lies."""
    for top in tops:
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        for path in found:
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(top.parent)), path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def key_of(command: list[str], environment: dict[str, Any], made_from: list[Path]) -> str:
    """SHA-256 over everything that decides what comes out."""
    files = [(name, sha256_of(path)) for name, path in files_of(made_from)]
    return hashlib.sha256(json.dumps([command, environment, files], sort_keys=True).encode()).hexdigest()


def stamp(path: Path) -> list[int]:
    """Size and time: a file that still has both is taken to be as it was written."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def is_whole(path: Path, noted: dict[str, Any]) -> bool:
    """Whether the file is the one that was noted."""
    if not path.is_file() or not path.with_name(f"{path.name}.sha256").is_file():
        return False
    return bool(stamp(path) == noted["stamp"] or sha256_of(path) == noted["sha256"])


def read_record(record: Path) -> dict[str, Any]:
    """What was noted the last time; nothing when there is no readable record."""
    try:
        noted: dict[str, Any] = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return noted


def write(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def publish(made: Path, into: Path) -> dict[str, Any]:
    """Move what was made to its place; what to note of each file."""
    noted = {}
    for source in sorted(path for path in made.iterdir() if path.is_file()):
        target = into / source.name
        sha256 = sha256_of(source)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        target.with_name(f"{target.name}.sha256").unlink(missing_ok=True)  # never beside another file than its own
        source.replace(target)
        write(target.with_name(f"{target.name}.sha256"), f"{sha256}\n")
        noted[source.name] = {"sha256": sha256, "stamp": stamp(target)}
    return noted


def make(parameters: dict[str, Any], into: Path) -> dict[str, Any]:
    """Run the command and publish; what to note of each file."""
    scratch_root = into / RECORDS / f"{parameters['name']}.making"
    shutil.rmtree(scratch_root, ignore_errors=True)  # of a run that was interrupted
    scratch_root.mkdir(parents=True)
    environment = {**os.environ, **{name: str(value) for name, value in parameters["environment"].items()}}
    subprocess.run(
        parameters["command"],
        cwd=parameters["chdir"],
        env={**environment, "ARTEFACT": str(scratch_root)},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    noted = publish(scratch_root, into)
    shutil.rmtree(scratch_root)
    return noted


def remove_former(earlier: dict[str, Any], noted: dict[str, Any], into: Path) -> None:
    """Remove the files of the last time that this time did not make: another version's."""
    for name in set(earlier.get("files", {})) - set(noted):
        (into / name).unlink(missing_ok=True)
        (into / f"{name}.sha256").unlink(missing_ok=True)


@contextlib.contextmanager
def alone(into: Path, name: str) -> Iterator[None]:
    """Wait for another run that makes the same; the kernel frees the lock at any end."""
    path = into / RECORDS / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def update(given: dict[str, Any], into: Path, key: str, dry: bool) -> tuple[dict[str, Any], bool]:
    """What is noted of each file, and whether it was made anew (or would be, where it is ``dry``)."""
    record = into / RECORDS / f"{given['name']}.json"
    earlier = read_record(record)
    noted: dict[str, Any] = earlier.get("files", {})
    if earlier.get("key") == key and all(is_whole(into / name, one) for name, one in noted.items()):
        return noted, False
    if not dry:
        noted = make(given, into)
        remove_former(earlier, noted, into)
        write(record, json.dumps({"key": key, "files": noted}, indent=1))
    return noted, True


def main() -> None:
    """Compare, make, report."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "command": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}},
            "made_from": {"type": "list", "elements": "path", "default": []},
            "into": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    began = time.monotonic()
    given = module.params
    missing = [path for path in given["made_from"] if not Path(path).exists()]
    if missing and not module.check_mode:
        module.fail_json(msg=f"{given['name']} is made from {missing[0]}, which does not exist")
    present = [Path(path) for path in given["made_from"] if path not in missing]
    key = key_of(given["command"], given["environment"], present)
    into = Path(given["into"])
    try:
        with contextlib.nullcontext() if module.check_mode else alone(into, given["name"]):
            noted, changed = update(given, into, key, module.check_mode)
    except subprocess.CalledProcessError as error:
        module.fail_json(msg=f"{given['name']} cannot be made: {error.stdout.strip()[-LAST_WORDS:]}")
    files = {name: one["sha256"] for name, one in noted.items()}
    module.exit_json(changed=changed, key=key, files=files, seconds=round(time.monotonic() - began, 1))


if __name__ == "__main__":
    main()
