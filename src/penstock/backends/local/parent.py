"""The parent of runners: has imported what a runner needs, and forks one for each attempt.

A program of its own in a session of its own, started by an agent (``births``) and found by the next one through its
socket; it ends when there is neither an agent nor a runner. It has one thread and no secret. Its runners do not need
it: when it is killed they go on, as children of init.

On the socket (SOCK_SEQPACKET) it first says who it is: ``identity``. Then each message is an attempt's id, NUL and its
directory, with the held lock as a descriptor; the answer is the runner's process id, or "!" and why there is none.
"""

from __future__ import annotations

import _blake2
import ctypes
import gc
import os
import select
import signal
import socket
import sys

from penstock import errors, names
from penstock.backends.local import fetch
from penstock.backends.local.runner import LOCK
from penstock.backends.local.runner import main as run
from penstock.staging import wildcards

LISTENER = 3  # the descriptor on which the agent hands over the bound socket
NAME = "penstock-runners"
MARK = "PENSTOCK_ATTEMPT"  # as in strays
INHERITED = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")  # the agent's environment may hold more, which no runner needs
ROOM = 64  # bytes for an attempt's id in this program's environment and in its command line
LONGEST = 64 * 1024  # of a message
PRELOADED = (errors, names, fetch, wildcards)  # runners import them when a task needs them
_FOLDERS = ("backends/local", "backends/attempt", "staging")
_FILES = ("errors.py", "names.py")
_BACKLOG = 16


def main(source: str, idle_ms: int) -> None:
    """Serve the socket until nobody has needed it for ``idle_ms``; ``source`` is the folder the package lies in."""
    os.closerange(LISTENER + 1, 1 << 20)
    os.set_inheritable(LISTENER, False)
    os.chdir("/")
    listener = socket.socket(fileno=LISTENER)
    listener.listen(_BACKLOG)  # again: from now on SO_PEERCRED names this process (unix(7))
    gc.collect()
    gc.freeze()
    _Parent(listener, identity(source)).run(idle_ms)


def identity(source: str) -> bytes:
    """What a parent must have in common with the agent that uses it: the release, and what runners inherit."""
    digest = _blake2.blake2b(digest_size=16)
    folders = [f"{source}/penstock/{folder}" for folder in _FOLDERS]
    files = [f"{folder}/{name}" for folder in folders for name in sorted(os.listdir(folder)) if name.endswith(".py")]
    for path in [*files, *(f"{source}/penstock/{name}" for name in _FILES)]:
        with open(path, "rb") as file:
            digest.update(file.read() + b"\0")
    inherited = [f"{name}={os.environ.get(name)}" for name in INHERITED]
    digest.update("\0".join([source, sys.executable, sys.version, *inherited]).encode())
    return digest.hexdigest().encode()


class _Parent:
    """The loop. ``agents`` are connections by descriptor; ``children`` the runners that have not been reaped."""

    def __init__(self, listener: socket.socket, identity: bytes) -> None:
        self._listener = listener
        self._identity = identity
        self._agents: dict[int, socket.socket] = {}
        self._children = 0
        self._label = _Label()
        self._wakeup, sink = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(sink, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        self._poll = select.poll()
        for descriptor in (LISTENER, self._wakeup):
            self._poll.register(descriptor, select.POLLIN)

    def run(self, idle_ms: int) -> None:
        """Until no agent is connected and no runner lives, for a while."""
        while ready := self._poll.poll(None if self._agents or self._children else idle_ms):
            for descriptor, _ in ready:
                if descriptor == LISTENER:
                    self._accept()
                elif descriptor == self._wakeup:
                    self._reap()
                else:
                    self._answer(descriptor, self._agents[descriptor])

    def _accept(self) -> None:
        agent, _ = self._listener.accept()
        try:
            agent.send(self._identity)
        except OSError:  # it has left again
            agent.close()
            return
        self._agents[agent.fileno()] = agent
        self._poll.register(agent, select.POLLIN)

    def _reap(self) -> None:
        os.read(self._wakeup, LONGEST)
        while self._children:
            child, _ = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            self._children -= 1

    def _answer(self, descriptor: int, agent: socket.socket) -> None:
        try:
            said, given, _, _ = socket.recv_fds(agent, LONGEST, 1, socket.MSG_CMSG_CLOEXEC)
            if said:
                agent.send(self._bear(said, given))
                return
        except OSError:  # the agent was killed
            pass
        self._poll.unregister(descriptor)
        self._agents.pop(descriptor).close()

    def _bear(self, said: bytes, given: list[int]) -> bytes:
        attempt, _, directory = said.decode().partition("\0")
        try:
            (lock,) = given
            process = os.fork()
        except (OSError, ValueError) as error:
            return f"!{error}".encode()
        else:
            if process == 0:
                self._become_runner(attempt, directory, lock)
            self._children += 1
            return str(process).encode()
        finally:
            for one in given:
                os.close(one)

    def _become_runner(self, attempt: str, directory: str, lock: int) -> None:
        """In the child: what ``launch`` asks of posix_spawn for a runner of its own. Does not return."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            log = os.open(f"{directory}/runner.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            for source, target in ((log, 1), (log, 2), (lock, LOCK)):
                os.dup2(source, target)
            self._label.write(attempt)
            run(directory)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, it is this runner's last words
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


class _Label:
    """By what others know a process, its environment and command line, as room that this program was started with.

    Both lie in its memory, which the kernel reads for /proc/<pid>/environ and cmdline (proc(5)).
    """

    def __init__(self) -> None:
        find = ctypes.CDLL(None).getenv
        find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        self._mark = find(MARK.encode())
        with open("/proc/self/stat", encoding="utf-8") as file:
            self._arguments_end = int(file.read().rpartition(") ")[2].split()[46])

    def write(self, attempt: str) -> None:
        """Become ``attempt`` to whoever looks."""
        os.environ[MARK] = attempt  # for transfers
        text = attempt.encode().ljust(ROOM, b"\0")
        ctypes.memmove(self._mark, text, ROOM)
        ctypes.memmove(self._arguments_end - ROOM - 1, text, ROOM)
