"""The versions of the programs that stand for the tools image here; a line of every attempt's system log."""

from __future__ import annotations

import asyncio
import platform
import re
import shutil

from penstock.clock import Deadline

TOOLS = ("samtools", "bcftools", "freebayes", "bwa")
_QUESTION = {"bwa": ()}  # tells its version only with its usage
_VERSION = re.compile(r"(?:version:?|samtools|bcftools)\s+v?([0-9][\w.+-]*)", re.IGNORECASE)


async def versions(deadline: Deadline) -> str:
    """Such as ``tools: samtools 1.16.1, bwa 0.7.17-r1188, python 3.11.2``; programs that are missing are left out."""
    found = await asyncio.gather(*(_version(tool, deadline) for tool in TOOLS))
    named = [f"{tool} {version}" for tool, version in zip(TOOLS, found, strict=True) if version]
    return "tools: " + ", ".join([*named, f"python {platform.python_version()}"])


def parse_version(said: str) -> str:
    """The version in what a program says about itself; "unknown" if there is none."""
    match = _VERSION.search(said)
    return match[1] if match else "unknown"


async def _version(tool: str, deadline: Deadline) -> str | None:
    path = shutil.which(tool, path="/usr/local/bin:/usr/bin:/bin")
    if path is None:
        return None
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        path, *_QUESTION.get(tool, ("--version",)), stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
    )
    try:
        said, complained = await asyncio.wait_for(process.communicate(), deadline.remaining)
    except TimeoutError:
        return "unknown"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return parse_version((said + complained).decode(errors="replace"))
