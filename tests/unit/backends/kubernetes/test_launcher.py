"""The busybox that pods mount from the workspace."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from penstock.backends.kubernetes.launcher import is_static, provide
from penstock.backends.kubernetes.site import site_of
from penstock.settings import Settings

BUSYBOX = shutil.which("busybox")
needs_busybox = pytest.mark.skipif(BUSYBOX is None, reason="needs busybox-static: `make packages`")


@needs_busybox
def test_it_lies_in_a_folder_that_its_content_names_and_runs(tmp_path: Path) -> None:
    folder = provide(tmp_path)
    assert folder is not None
    program = tmp_path / folder / "bin" / "busybox"
    assert subprocess.check_output([program, "echo", "here"], text=True) == "here\n"
    assert program.stat().st_mode & 0o777 == 0o555
    assert provide(tmp_path) == folder


@needs_busybox
def test_agents_that_put_it_there_at_once_leave_one(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: provide(tmp_path), range(32)))
    assert len(found) == 1
    assert len([*(tmp_path / "launcher").iterdir()]) == 1


def test_a_program_that_needs_libraries_of_its_machine_is_not_used(tmp_path: Path) -> None:
    assert not is_static(Path(sys.executable).resolve().read_bytes())
    assert provide(tmp_path, str(Path(sys.executable).resolve())) is None
    assert not (tmp_path / "launcher").exists()


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(60)])
def test_what_is_no_program_of_64_bits_is_not_used(content: bytes) -> None:
    assert not is_static(content)


@needs_busybox
@pytest.mark.parametrize(
    ("given", "expected"),
    [({"workspace_claim": "w"}, True), ({"workspace_claim": "w", "image_volumes": "yes"}, False), ({}, False)],
)
def test_it_is_in_the_workspace_where_pods_mount_that_and_nothing_else_is_wanted(
    tmp_path: Path, given: dict[str, Any], expected: bool
) -> None:
    site = site_of(Settings(data=tmp_path, workspace=tmp_path, **given), (1, 36))
    assert (site.launcher is not None) == expected
    assert (tmp_path / "launcher").exists() == expected
