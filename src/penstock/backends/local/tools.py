"""The versions of the programs that stand for the tools image here; a line of every attempt's system log."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess

from penstock.clock import Deadline

TOOLS = ("samtools", "bcftools", "freebayes", "bwa")
_QUESTIONS = {"bwa": ()}  # tells its version only with its usage
_VERSION = re.compile(r"(?:version:?|samtools|bcftools)\s+v?([0-9][\w.+-]*)", re.IGNORECASE)


def versions(deadline: Deadline) -> str:
    """Such as ``tools: samtools 1.16.1, bwa 0.7.17-r1188, python 3.11.2``; programs that are missing are left out."""
    found = [(tool, _version(tool, deadline)) for tool in TOOLS]
    named = [f"{tool} {version}" for tool, version in found if version]
    return "tools: " + ", ".join([*named, f"python {platform.python_version()}"])


def parse_version(said: str) -> str:
    """The version in what a program says about itself; "unknown" if there is none."""
    match = _VERSION.search(said)
    return match[1] if match else "unknown"


def _version(tool: str, deadline: Deadline) -> str | None:
    path = shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin")
    if path is None:
        return None
    words = [path, *_QUESTIONS.get(tool, ("--version",))]
    try:
        answer = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=deadline.remaining, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return parse_version((answer.stdout + answer.stderr).decode(errors="replace"))
