"""Where an attempt lies on disk, and how its runner comes to life. Blocking; the backend calls it in a thread."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

import penstock
from penstock.agents.protocol import Work
from penstock.backends.attempt import folder
from penstock.backends.attempt.shape import Plan
from penstock.backends.local.births import Births
from penstock.backends.local.parent import INHERITED
from penstock.backends.local.runner import LOCK
from penstock.backends.local.strays import MARK
from penstock.clock import Deadline
from penstock.staging.storage import FILE, dump

_SCRIPT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from penstock.backends.local.runner import main; main(sys.argv[2])"
)
UNFINISHED = "."  # what an entry's name begins with while it is written
_BIRTH_S = 5.0  # until a runner that was born has written its process id
_PAUSE_S = 0.005


class AttemptFolder:
    """An attempt's directory in the workspace, and its entry in the agent's register of attempts."""

    def __init__(self, workspace: Path, register: Path, attempt: str) -> None:
        self.attempt = attempt
        self.path = folder.place(workspace, attempt)
        self.entry = register / attempt
        self.lock = self.path / "runner.lock"
        self.started = self.path / "started"
        self.result = self.path / "result.json"

    def launch(self, plan: Plan, work: Work, births: Births) -> None:
        """Write the plan and start the runner, unless there is one. OSError when this machine cannot."""
        again = self.entry.exists()
        self._enter()
        folder.make(self.path, again=again)
        for start in (births.bear, births.bear, self._spawn):
            lock = self._lock_unborn()
            if lock is None:
                return
            try:
                self._write(plan, work)
                if start(self.attempt, str(self.path), lock) is not None:
                    return
            finally:
                os.close(lock)

    def is_unborn(self) -> bool:
        """Whether an agent was killed in ``launch`` before any runner was born.

        Only as long as the machine has not started anew since: what a runner wrote may have been lost with that.
        """
        try:
            if self.entry.read_text() != _boot():
                return False
            return self.lock.stat().st_size == 0
        except FileNotFoundError:
            return self.entry.exists()

    def is_locked(self) -> bool:
        """Whether the runner lives."""
        try:
            lock = os.open(self.lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def runner(self) -> int | None:
        """A pidfd of the live runner; None when there is none, or it has not written its process id yet."""
        try:
            process = int(self.lock.read_text() or 0)
            descriptor = os.pidfd_open(process) if process else None
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The lock is held after the descriptor was made, so the process was alive then: its id was not used again.
        if descriptor is not None and not self.is_locked():
            os.close(descriptor)
            return None
        return descriptor

    def last_words(self) -> str:
        """What the runner complained about last."""
        try:
            lines = (self.path / "runner.log").read_text(errors="replace").strip().splitlines()
        except FileNotFoundError:
            return ""
        return lines[-1] if lines else ""

    def remove(self) -> None:
        """Remove all of the attempt, its entry last: until then it is found again."""
        folder.remove(self.path)
        self.entry.unlink(missing_ok=True)

    def _enter(self) -> None:
        """Whole or not at all: one without a boot's id would be taken for that of an earlier boot."""
        new = self.entry.with_name(f"{UNFINISHED}{self.attempt}")
        new.write_text(_boot())
        new.rename(self.entry)

    def _write(self, plan: Plan, work: Work) -> None:
        """What a runner reads; under its lock, so that none reads half of it."""
        (self.path / "plan.json").write_text(json.dumps(plan))
        secrets = {"token": work.token, **({FILE: dump(work.storage)} if work.storage else {})}
        for name, secret in secrets.items():
            (self.path / name).unlink(missing_ok=True)
            folder.write_secret(self.path / name, secret)

    def _lock_unborn(self) -> int | None:
        """The lock, if no runner was born and none can be any more; None if one was.

        Held by the open file, which the runner inherits: there is no moment at which a live attempt is unlocked. Who
        gets it and finds no process id in it knows that nobody else can become its runner.
        """
        deadline = Deadline.after(_BIRTH_S)
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        while not os.fstat(lock).st_size:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if deadline.passed:
                    break
                time.sleep(_PAUSE_S)  # the newborn writes its process id, or a dying parent lets go
            else:
                if not os.fstat(lock).st_size:
                    return lock
        os.close(lock)
        return None

    def _spawn(self, attempt: str, directory: str, lock: int) -> int:
        source = str(Path(penstock.__path__[0]).parent)
        words = [sys.executable, "-I", "-S", "-c", _SCRIPT, source, directory]
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment[MARK] = attempt
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, f"{directory}/runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, lock, LOCK),
        ]
        return os.posix_spawn(
            sys.executable, words, environment, file_actions=actions, setsid=True,
            setsigmask=[], setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
        )  # fmt: skip


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()
