"""The program that sends: a process of its own, so that no file's bytes pass through the server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.clock import Deadline
from penstock.staging.storage import Storage, dump
from penstock.tasks.models import Outcome

_KEPT_ENVIRONMENT = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")  # the server's own may hold credentials
FindStorage = Callable[[str, Sequence[str], Sequence[str]], Awaitable[list[Storage]]]


@dataclass
class Sender:
    """``find_storage`` answers an owner's credentials for URLs, from those named, or from all when none is."""

    find_storage: FindStorage
    allow_private: bool = False

    async def __call__(
        self, owner: str, names: Sequence[str], sendings: Sequence[tuple[Path, str]], deadline: Deadline
    ) -> tuple[str, str]:
        """Send; see ``penstock.tasks.outgoing.Send``. Credentials go by a pipe."""
        storage = await self.find_storage(owner, names, [url for _, url in sendings])
        job = {
            "storage": json.loads(dump(storage)),
            "sendings": [{"source": str(path), "url": url} for path, url in sendings],
        }
        words = ["-I", "-m", "penstock.staging", "send", "--limit", str(deadline.remaining), "--largest", "0"]
        program = await asyncio.create_subprocess_exec(
            sys.executable, *words, *(["--allow-private"] if self.allow_private else []),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
        )  # fmt: skip
        try:
            told, _ = await program.communicate(json.dumps(job).encode())
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()
        try:
            report = json.loads(told)
        except ValueError:
            return Outcome.LOST.value, f"the transfer program ended with {program.returncode}."
        return report["outcome"], report["reason"]
