"""Hears of files that launchers put into the workspace, where it is on a file system of this machine.

A kubelet looks for ended containers once a second. An agent on the same machine (or on the same kernel, as with nodes
made of namespaces) knows of an end at once. What happens on other machines of a network file system is not heard: then
the cluster tells.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from asyncinotify import Inotify, Mask, Watch


class Notices:
    """``heard`` is called with an attempt when something was moved into its folder."""

    def __init__(self, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._inotify = Inotify()
        self._watches: dict[str, Watch] = {}
        self._attempts: dict[Watch, str] = {}

    def watch(self, attempt: str, folder: Path) -> None:
        """Listen; in vain where the machine allows no more watches, or there is no such folder."""
        if attempt in self._watches:
            return
        with contextlib.suppress(OSError):
            watch = self._inotify.add_watch(folder, Mask.MOVED_TO | Mask.ONLYDIR)
            self._watches[attempt] = watch
            self._attempts[watch] = attempt

    def forget(self, attempt: str) -> None:
        """Listen no more; before or after its folder has gone."""
        watch = self._watches.pop(attempt, None)
        if watch is not None:
            self._attempts.pop(watch, None)
            with contextlib.suppress(OSError):  # it went with the folder
                self._inotify.rm_watch(watch)

    async def run(self) -> None:
        """Until cancelled."""
        async for event in self._inotify:
            attempt = None if event.watch is None else self._attempts.get(event.watch)
            if attempt is not None:
                self._heard(attempt)

    def close(self) -> None:
        """Let go of all."""
        self._inotify.close()
