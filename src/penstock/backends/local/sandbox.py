"""One executor in one bubblewrap sandbox: started, watched, measured, and gone when this returns."""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import time

from penstock.backends.attempt.failure import Failure, lost, system_error
from penstock.backends.attempt.reasons import KILLED
from penstock.backends.attempt.stage import Staged, failure_of, make_folder
from penstock.backends.attempt.tails import FileTail, PipeTail, Tail
from penstock.backends.attempt.view import View

TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.backends.attempt.shape import Command, ExecutorResult

_MARK = "PENSTOCK_ATTEMPT"  # as in strays
_READ = os.O_RDONLY | os.O_NONBLOCK  # a FIFO must not hold us
_WRITE = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK
_MORE_KILLABLE = b"500"  # oom_score_adj: the job goes before the services of this machine


class Finished:
    """What became of an executor; ``overtime`` says that the time limit ended it."""

    __slots__ = ("overtime", "result")

    def __init__(self, result: ExecutorResult, *, overtime: bool) -> None:
        self.result = result
        self.overtime = overtime


class Watch:
    """What ends a wait besides the executor: a signal to the runner, and the attempt's time limit."""

    def __init__(self, wakeup: int) -> None:
        self.wakeup = wakeup
        self.limit: float | None = None  # of time.monotonic()
        self.stopped = False

    def asked(self) -> bool:
        """Whether the runner was asked to end."""
        poll = select.poll()
        poll.register(self.wakeup, select.POLLIN)
        self.stopped = self.stopped or bool(poll.poll(0))
        return self.stopped

    def remaining_ms(self) -> int | None:
        """Milliseconds until the time limit, rounded up; None without one."""
        return None if self.limit is None else max(0, int((self.limit - time.monotonic()) * 1000) + 1)


def execute(staged: Staged, sandbox: list[str], command: Command, watch: Watch) -> Finished:
    """Run one executor to its end, or until ``watch`` ends it. Failure when there can be no sandbox.

    ``sandbox`` is the command line of bubblewrap that all executors share.
    """
    streams = _Streams(staged.view, command)
    staged.check_points()
    start_us, began_ns = time.time_ns() // 1000, time.monotonic_ns()
    try:
        process, status = _spawn(staged, sandbox, command, streams)
        try:
            overtime = _wait(process, streams, watch)
        finally:
            usage = _reap(process)
        streams.drain()
        code = _exit_code(status, streams, usage, overtime=overtime or watch.stopped)
        stdout, stderr = streams.stdout.text(), streams.stderr.text()
    finally:
        streams.close()
    result: ExecutorResult = {
        "start_us": start_us,
        "end_us": start_us + (time.monotonic_ns() - began_ns) // 1000,  # whatever happened to the machine's clock
        "exit_code": code,
        "stdout": stdout,
        "stderr": stderr,
        "cpu_s": round(usage.cpu_s, 6),
        "peak_bytes": usage.peak_bytes,
    }
    return Finished(result, overtime=overtime)


class _Usage:
    """What the whole process tree of an executor used; peak is that of its largest process."""

    def __init__(self) -> None:
        self.cpu_s = 0.0
        self.peak_bytes = 0
        self.status = 0


class _Streams:
    """The three standard streams of an executor."""

    def __init__(self, view: View, command: Command) -> None:
        self._opened: list[int] = []
        try:
            self.stdin = self._open(view, command["stdin"] or "", _READ, "stdin")
            self.stdout = self._tail(view, command["stdout"], "stdout")
            same = command["stderr"] is not None and command["stderr"] == command["stdout"]
            self.stderr = self.stdout if same else self._tail(view, command["stderr"], "stderr")
        except BaseException:
            self.close()
            raise

    def pipes(self) -> dict[int, PipeTail]:
        """The tails that somebody has to read, by descriptor."""
        return {tail.source: tail for tail in (self.stdout, self.stderr) if isinstance(tail, PipeTail)}

    def given(self) -> None:
        """The executor has its ends now: close ours, or a pipe would never end."""
        for tail in self.pipes().values():
            tail.given()

    def drain(self) -> None:
        """Read what is left; returns when all writers are gone."""
        for tail in self.pipes().values():
            while tail.read():
                pass

    def close(self) -> None:
        for descriptor in self._opened:
            os.close(descriptor)
        self._opened.clear()

    def _tail(self, view: View, path: str | None, name: str) -> Tail:
        if path is not None:
            return FileTail(self._open(view, path, _WRITE, name))
        source, sink = os.pipe2(os.O_CLOEXEC)
        self._opened.append(source)
        return PipeTail(source, sink)

    def _open(self, view: View, path: str, flags: int, name: str) -> int:
        descriptor = _open_stream(view, path, flags, name) if path else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        self._opened.append(descriptor)
        return descriptor


def _open_stream(view: View, path: str, flags: int, name: str) -> int:
    try:
        descriptor = _open_in_view(view, path, flags)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise failure_of(OSError(errno.EINVAL, "not a regular file"), f"The {name} {path} cannot be opened")
    except OSError as error:
        raise failure_of(error, f"The {name} {path} cannot be opened") from error
    if flags & os.O_CREAT:
        os.ftruncate(descriptor, 0)
    os.set_blocking(descriptor, True)
    return descriptor


def _open_in_view(view: View, path: str, flags: int) -> int:
    if not flags & os.O_CREAT:
        return view.open(view.resolve(path), flags)
    folder, _, name = path.rpartition("/")
    if folder:
        make_folder(view, folder)
    try:
        spot = view.resolve(path)
    except FileNotFoundError:  # a link that leads nowhere ends as ELOOP in open
        spot = view.spot(f"{view.resolve(folder).path}/{name}")
    return view.open(spot, flags)


def _spawn(staged: Staged, sandbox: list[str], command: Command, streams: _Streams) -> tuple[int, int]:
    """Process id of bubblewrap, and the descriptor it writes its status to."""
    status, status_sink = os.pipe2(os.O_CLOEXEC)
    arguments = os.memfd_create("arguments", os.MFD_CLOEXEC)
    os.write(arguments, _joined(_arguments(staged, sandbox, command, status_sink)))
    os.lseek(arguments, 0, os.SEEK_SET)
    for descriptor in (arguments, status_sink):
        os.set_inheritable(descriptor, True)
    program = sandbox[0]
    words = [program, "--args", str(arguments), "--", "nice", "-n", "5", "--", *command["command"]]
    actions = [
        (os.POSIX_SPAWN_DUP2, source, target)
        for target, source in enumerate((streams.stdin, streams.stdout.sink, streams.stderr.sink))
    ]
    score = _swap_score(_MORE_KILLABLE)
    try:
        process = os.posix_spawn(
            program, words, _environment(staged), file_actions=actions, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
        )
    except OSError as error:
        os.close(status)
        if error.errno == errno.E2BIG:
            raise system_error("The command is too long for this machine.") from error
        raise lost(f"{program} cannot be started: {error.strerror}.") from error
    finally:
        _swap_score(score)
        os.close(arguments)
        os.close(status_sink)
        streams.given()
    return process, status


def _environment(staged: Staged) -> dict[str, str]:
    """That of bubblewrap itself, by which ``strays`` finds it; the executor's is among the arguments."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", _MARK: staged.plan["attempt"]}


def _arguments(staged: Staged, sandbox: list[str], command: Command, status: int) -> list[str]:
    words = [*sandbox[1:], *staged.arguments(), "--json-status-fd", str(status)]
    for name, value in command["env"].items():
        words += ["--setenv", name, value]
    workdir = command["workdir"]
    if workdir:
        make_folder(staged.view, workdir)
    return [*words, "--chdir", workdir or "/"]


def _joined(words: list[str]) -> bytes:
    """As ``--args`` reads them; a NUL inside of a word would let a task add mounts of its own choice."""
    if any("\0" in word for word in words):
        raise system_error("The task holds a NUL character.")
    return b"".join(word.encode() + b"\0" for word in words)


def _swap_score(score: bytes) -> bytes:
    """Set this process's oom_score_adj, which children inherit; returns what it was."""
    descriptor = os.open("/proc/self/oom_score_adj", os.O_RDWR | os.O_CLOEXEC)
    try:
        before = os.read(descriptor, 16).strip()
        os.write(descriptor, score)
    except OSError:  # a score may only be lowered to where a privileged process put it
        return score
    else:
        return before
    finally:
        os.close(descriptor)


def _wait(process: int, streams: _Streams, watch: Watch) -> bool:
    """Read the pipes until the executor ends; True when the time limit came first."""
    poll = select.poll()
    ended = os.pidfd_open(process)
    pipes = streams.pipes()
    for descriptor in (ended, watch.wakeup, *pipes):
        poll.register(descriptor, select.POLLIN)
    try:
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(watch.remaining_ms())]
            if ended in ready:
                return False
            if watch.wakeup in ready or not ready:
                watch.stopped = bool(ready)
                os.kill(process, signal.SIGKILL)
                return not ready
            for descriptor in ready:
                if not pipes[descriptor].read():
                    poll.unregister(descriptor)
    finally:
        os.close(ended)


def _reap(process: int) -> _Usage:
    """Wait until nothing of the sandbox runs.

    When bubblewrap is gone its PID 1 becomes a child of this process (PR_SET_CHILD_SUBREAPER) and is killed with all
    below it: by --die-with-parent, or by us if it had not come so far. Its resource usage holds that of the whole tree.
    """
    usage = _Usage()
    while True:
        try:
            child, status, spent = os.wait3(0)
        except ChildProcessError:
            return usage
        usage.cpu_s += spent.ru_utime + spent.ru_stime
        usage.peak_bytes = max(usage.peak_bytes, spent.ru_maxrss * 1024)
        if child == process:
            usage.status = status
            _kill_children()


def _kill_children() -> None:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = [int(child) for child in file.read().split()]
    for child in children:
        os.kill(child, signal.SIGKILL)


def _exit_code(status: int, streams: _Streams, usage: _Usage, *, overtime: bool) -> int:
    """The executor's exit code as bubblewrap told it; without one there was no sandbox."""
    with os.fdopen(status, "rb") as file:
        _, found, rest = file.read().partition(b'"exit-code":')
    if found:
        return int(rest.split(b"}")[0])
    if overtime:
        return KILLED
    if os.WIFSIGNALED(usage.status):
        raise lost(f"The sandbox was killed by signal {os.WTERMSIG(usage.status)}.")
    words = streams.stderr.text().strip().splitlines()
    raise Failure("LOST", f"This machine cannot make the sandbox: {words[-1] if words else 'no reason given'}")
