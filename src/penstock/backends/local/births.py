"""How the agent has runners born: forked by a parent that has everything imported already (``parent``).

Whatever happens to the parent, an attempt is started at most once. What proves it is the attempt's lock: it is handed
over, so whoever could still become its runner holds it; and a runner's first act is to write its process id into it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import penstock
from penstock.backends.local.parent import INHERITED, LISTENER, LONGEST, MARK, NAME, ROOM, identity

SOCKET = "runners.sock"
ANSWER_S = 2.0  # of a parent that is there, on a busy machine
BEGIN_S = 5.0  # until a new one has imported everything
IDLE_MS = 5000  # a parent without agent and runners ends after this
PAUSE_S = 30.0  # after one that could not be started
_SCRIPT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from penstock.backends.local.parent import main; "
    "main(sys.argv[1], int(sys.argv[2]))"
)


class Births:
    """The agent's connection to the parent of its runners. Blocking; safe to use from several threads.

    ``state`` is the agent's folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._source = str(Path(penstock.__path__[0]).parent)
        self._identity = identity(self._source)
        self._parent: _Parent | None = None
        self._pause_until = 0.0
        self._mutex = threading.Lock()

    def bear(self, attempt: str, directory: str, lock: int) -> int | None:
        """The process id of the attempt's new runner, which holds ``lock``. OSError when this machine cannot fork.

        None when no parent could do it. It is dead then, but the runner may have been born: look at the lock.
        """
        with self._mutex:
            parent = self._parent = self._parent or self._find()
            if parent is None:
                return None
            try:
                return parent.bear(attempt, directory, lock)
            except _Trouble:
                parent.end()
                self._parent = None
                return None

    def close(self) -> None:
        """Leave the parent; it ends when its runners have."""
        with self._mutex:
            if self._parent is not None:
                self._parent.close()
                self._parent = None

    def _find(self) -> _Parent | None:
        """The parent that is there; a new one if there is none, or one that is of no use."""
        with contextlib.suppress(_Trouble):
            return self._greet(None, ANSWER_S)
        if time.monotonic() < self._pause_until:
            return None
        try:
            return self._greet(self._begin(), BEGIN_S)
        except (OSError, _Trouble):
            self._pause_until = time.monotonic() + PAUSE_S
            return None

    def _greet(self, started: int | None, patience_s: float) -> _Parent:
        """Connect, and hear who it is; _Trouble if it is another release's or does not answer (that one is killed)."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(patience_s)
        parent = None
        try:
            with _short(self._state, SOCKET) as address:
                connection.connect(address)
            parent = _Parent(connection, self._state, started)
            said = connection.recv(LONGEST)
        except OSError as error:
            if parent is not None:
                parent.end()
            connection.close()
            raise _Trouble from error
        if said != self._identity:
            connection.close()
            raise _Trouble
        connection.settimeout(ANSWER_S)
        return parent

    def _begin(self) -> int:
        """Start a parent, which takes the socket over from any earlier one; its process id."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        beside = self._state / f"{SOCKET}.new"
        try:
            beside.unlink(missing_ok=True)
            with _short(self._state, beside.name) as address:
                listener.bind(address)
            beside.chmod(0o600)
            listener.listen()
            process = self._spawn(listener.fileno())
            beside.rename(self._state / SOCKET)
            return process
        finally:
            listener.close()

    def _spawn(self, listener: int) -> int:
        words = [sys.executable, "-I", "-S", "-c", _SCRIPT, self._source, str(IDLE_MS), str(self._state), NAME]
        words.append("parent".ljust(ROOM))
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ} | {MARK: " " * ROOM}
        log = os.open(self._state / "runners.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log, 1),
            (os.POSIX_SPAWN_DUP2, log, 2),
            (os.POSIX_SPAWN_DUP2, listener, LISTENER),
        ]
        try:
            return os.posix_spawn(
                sys.executable, words, environment, file_actions=actions, setsid=True,
                setsigmask=[], setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
            )  # fmt: skip
        finally:
            os.close(log)


class _Trouble(Exception):
    """The parent did not answer, or is not ours."""


class _Parent:
    """A parent at the other end of ``connection``. ``started`` is its process id if it is a child of ours."""

    def __init__(self, connection: socket.socket, state: Path, started: int | None) -> None:
        self._connection = connection
        self._pidfd = _open(connection if started is None else started, state)

    def bear(self, attempt: str, directory: str, lock: int) -> int:
        """Have it fork; _Trouble if it does not answer."""
        try:
            message = f"{attempt}\0{directory}".encode()
            socket.send_fds(self._connection, [message], [lock])
            said = self._connection.recv(LONGEST).decode()
        except OSError as error:
            raise _Trouble from error
        if said.startswith("!"):
            raise OSError(said[1:])
        if not said:
            raise _Trouble
        return int(said)

    def end(self) -> None:
        """Kill it and wait until it is gone, and with it every lock that it had not handed on."""
        self._connection.close()
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            poll = select.poll()
            poll.register(self._pidfd, select.POLLIN)
            poll.poll(int(ANSWER_S * 1000))
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None


def _open(who: socket.socket | int, state: Path) -> int | None:
    """A pidfd of the parent; None if the process is gone, or is not what it was (its id may have been used again)."""
    process = who if isinstance(who, int) else _peer(who)
    try:
        pidfd = os.pidfd_open(process)
    except OSError:
        return None
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    if isinstance(who, int) or (NAME.encode() in words and str(state).encode() in words):
        return pidfd
    os.close(pidfd)
    return None


def _peer(connection: socket.socket) -> int:
    """Who listened last on the socket that this connection was made to."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", told)[0])


@contextlib.contextmanager
def _short(folder: Path, name: str) -> Iterator[str]:
    """An address of a socket in ``folder``; an address has room for 107 bytes only (unix(7))."""
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
