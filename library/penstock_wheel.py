#!/usr/bin/python
"""Ansible module: the wheel of a checkout, built when its sources have changed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule  # type: ignore[import-untyped]  # it has no types

DOCUMENTATION = r"""
module: penstock_wheel
short_description: Build Penstock's wheel from a checkout
description:
  - Builds the wheel of the checkout O(source) into a folder of O(wheels) that is named after the digest of its sources,
    unless it is there.
  - Runs on the controller, with a Python that has C(hatchling) (the project's C(.venv) has).
options:
  source:
    description: Folder that holds C(pyproject.toml).
    type: path
    required: true
  wheels:
    description: Folder for the wheels that were built.
    type: path
    required: true
  further:
    description: Files that count as sources too, though they are in no wheel.
    type: list
    elements: path
    default: []
attributes:
  check_mode:
    support: full
    description: Says whether it would build.
author: Penstock
"""

EXAMPLES = r"""
- name: Build the wheel
  penstock_wheel:
    source: "{{ playbook_dir | dirname }}"
    wheels: "{{ playbook_dir | dirname }}/build/wheels"
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The wheel.
  returned: always
  type: str
digest:
  description: SHA-256 of the sources, the first 16 digits.
  returned: always
  type: str
"""

PARTS = ("pyproject.toml", "README.md", "LICENSE", "src", "pipelines")  # what goes into the wheel, or says how
WHEEL = "penstock-*.whl"


def source_files(source: Path) -> Iterator[Path]:
    """All files that the wheel is made of, in a fixed order."""
    for part in PARTS:
        top = source / part
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def digest_of(source: Path, further: list[Path]) -> str:
    """SHA-256 over the names, modes and contents of the sources; 16 digits tell them apart."""
    sha = hashlib.sha256()
    for path in [*source_files(source), *further]:
        content = path.read_bytes()
        executable = bool(path.stat().st_mode & 0o100)
        name = path.relative_to(source) if path.is_relative_to(source) else path.name
        sha.update(f"{name}\0{executable}\0{len(content)}\0".encode())
        sha.update(content)
    return sha.hexdigest()[:16]


def build(source: Path, folder: Path) -> Path:
    """Build into ``folder``, which appears only when the wheel is complete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", f"{scratch}/wheel"]
        subprocess.run(command, cwd=source, check=True, capture_output=True, text=True)
        try:
            Path(scratch, "wheel").replace(folder)
        except OSError:  # another run was faster; what it built of the same sources is the same
            if not folder.is_dir():
                raise
    return next(folder.glob(WHEEL))


def main() -> None:
    """Compare, build, report."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "wheels": {"type": "path", "required": True},
            "further": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    source = Path(module.params["source"])
    digest = digest_of(source, [Path(path) for path in module.params["further"]])
    folder = Path(module.params["wheels"]) / digest
    wheel = next(folder.glob(WHEEL), None)
    changed = wheel is None
    if changed and not module.check_mode:
        try:
            wheel = build(source, folder)
        except subprocess.CalledProcessError as error:
            module.fail_json(msg=f"The wheel of {source} cannot be built: {error.stderr.strip()}")
    module.exit_json(changed=changed, path=str(wheel or folder / "not-built.whl"), digest=digest)


if __name__ == "__main__":
    main()
