"""The program of a pod's transfer containers: brings inputs, and takes outputs away where there is no workspace.

``transfer in`` fetches what ``plan.json`` names and, without a workspace, puts the attempt's tree together.
``transfer <fifo>`` waits until the executors are done, sends what they left to the server, and prints a result.
What went wrong is told in the container's termination message; then the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tenacity

from penstock.backends.attempt.collect import collect
from penstock.backends.attempt.failure import Failure
from penstock.backends.attempt.shape import OutputResult
from penstock.backends.attempt.stage import stage
from penstock.backends.attempt.view import View
from penstock.backends.kubernetes.files import REPORT, drop_unwritten, make_points, read_tails
from penstock.backends.kubernetes.manifest import SECRET
from penstock.backends.kubernetes.plan import PodPlan
from penstock.client.http import Server
from penstock.clock import Deadline
from penstock.errors import Draining, NotAuthenticated, PenstockError, Unreachable
from penstock.names import check_relative_path
from penstock.settings import Settings
from penstock.staging import storage
from penstock.staging.transfers import Transfer, fetch_all

TOLD = Path("/dev/termination-log")
_AT_ONCE = 4
_CHUNK = 1 << 20
_LONGEST_REASON = 1500  # a message has room for 4096 bytes of JSON


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser(prog="penstock.backends.kubernetes.transfer")
    parser.add_argument("how", help="in, or the FIFO to wait on")
    parser.add_argument("--limit", type=float, required=True, help="seconds that all transfers together may take")
    parser.add_argument("--url", required=True, help="address of the server")
    parser.add_argument("--largest", type=int, required=True, help="bytes that a fetched file may have")
    parser.add_argument("--allow-private", action="store_true", help="fetch from private addresses, too")
    given = parser.parse_args()
    deadline = Deadline.after(given.limit)
    try:
        if given.how == "in":
            bring(given.url, deadline, allow_private=given.allow_private, largest=given.largest)
        else:
            await_turn(Path(given.how))
            print(json.dumps(take_away(given.url, Deadline.after(given.limit))))  # noqa: T201 - the agent reads the log
    except Failure as failure:
        fail(failure.outcome, failure.reason)
    except (Unreachable, NotAuthenticated) as error:
        fail("LOST", str(error))
    except PenstockError as error:
        fail("SYSTEM_ERROR", str(error))
    except OSError as error:
        fail("LOST", f"A file cannot be stored: {error}.")


def await_turn(fifo: Path) -> None:
    """Returns when the last executor has passed its turn on; whoever comes first makes the FIFO."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(fifo, 0o600)
    fifo.read_text()


def fail(outcome: str, reason: str) -> None:
    """Say why, and end."""
    TOLD.write_text(json.dumps({"outcome": outcome, "reason": reason[:_LONGEST_REASON]}))
    sys.exit(1)


def bring(url: str, deadline: Deadline, *, allow_private: bool, largest: int) -> None:
    """Fetch all inputs; with a plan of the pod's own, make the tree."""
    secret = Path(SECRET)
    own = secret.exists()
    told = json.loads((secret / "plan.json" if own else Path("plan.json")).read_text())
    for transfer in told["transfers"]:
        Path(transfer["target"]).parent.mkdir(parents=True, exist_ok=True)
    special = FromServer(connect(url, secret)) if own else _nothing
    known = storage.read(secret if own else Path())
    lines = fetch_all(
        told["transfers"], deadline, allow_private=allow_private, largest=largest, storage=known, special=special
    )
    if not own:
        Path(storage.FILE).unlink(missing_ok=True)
    Path(REPORT).write_text(json.dumps({"lines": lines}))
    if own:
        plan = PodPlan(**told)
        staged = stage(plan.tree)
        staged.close()
        make_points(Path(), plan)
        Path("run").mkdir(exist_ok=True)


def take_away(url: str, deadline: Deadline) -> dict[str, object]:
    """Send every output to the server; what the agent wants to know, as ``files.Found``."""
    secret = Path(SECRET)
    plan = PodPlan(**json.loads((secret / "plan.json").read_text()))
    server = connect(url, secret)
    drop_unwritten(Path(), plan)
    view = View(str(Path("root").absolute()), tuple(plan.tree["system"]))
    for bind in plan.tree["binds"]:
        view.mount(bind["path"], str(Path(bind["source"]).absolute()), writable=False)
    found = collect(plan.tree, view)
    files = [output for output in found.outputs if output["source"] is not None]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda one: _send(server, plan, one[0], one[1], deadline), enumerate(files)))
    problem = found.problem
    return {
        "outputs": found.outputs,
        "logs": [*json.loads(Path(REPORT).read_text())["lines"], *found.logs],
        "problem": [problem.outcome, problem.reason] if problem else None,
        "tails": read_tails(Path("run"), len(plan.tree["executors"])),
    }


def connect(url: str, secret: Path) -> Server:
    """The server, with the attempt's token."""
    authority = secret / "ca.pem"
    ca_file = authority if authority.exists() else None
    return Server(Settings(url=url, token_file=secret / "token", ca_file=ca_file))


class FromServer:
    """Takes those transfers that lead to the server itself: files, and directories as archives."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, transfer: Transfer, deadline: Deadline) -> bool:
        """Fetch it, if it is the server's."""
        if not transfer["url"].startswith(self._server.url + "/"):
            return False
        path = transfer["url"].removeprefix(self._server.url)
        bring_one = self._directory if transfer.get("type") == "DIRECTORY" else self._file
        insist(lambda: bring_one(path, Path(transfer["target"])), deadline)
        return True

    def _file(self, path: str, target: Path) -> None:
        with self._server.stream(path) as answer, target.open("wb") as file:
            for chunk in answer.iter_bytes(_CHUNK):
                file.write(chunk)

    def _directory(self, path: str, target: Path) -> None:
        target.mkdir(exist_ok=True)
        with self._server.stream(path) as answer, tempfile.TemporaryFile(dir=".") as file:
            for chunk in answer.iter_bytes(_CHUNK):
                file.write(chunk)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                unpack(archive, target)


def unpack(archive: tarfile.TarFile, target: Path) -> None:
    """Files, directories and links of an archive that our server has made; no owners, no special files."""
    for member in archive:
        path = target / check_relative_path(member.name)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            path.symlink_to(member.linkname)
        elif member.isreg() and (content := archive.extractfile(member)) is not None:
            with path.open("wb") as file:
                shutil.copyfileobj(content, file, _CHUNK)
            path.chmod(0o640 | (member.mode & 0o110))


def insist(call: Callable[[], None], deadline: Deadline) -> None:
    """Call it again while the server cannot be reached, until the deadline."""
    again = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((Unreachable, Draining)),
        stop=lambda _state: deadline.passed,
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
        reraise=True,
    )
    again(call)


def _nothing(_transfer: Transfer, _deadline: Deadline) -> bool:
    return False


def _send(server: Server, plan: PodPlan, number: int, output: OutputResult, deadline: Deadline) -> None:
    source = output["source"]
    assert source is not None  # noqa: S101 - chosen so
    path = f"/uploads/attempts/{plan.tree['attempt']}/{number}"

    def put() -> None:
        headers = {"Content-Length": str(Path(source).stat().st_size)}
        server.request("PUT", path, content=_chunks(Path(source)), headers=headers, wait_s=deadline.remaining)

    insist(put, deadline)
    output["source"] = f"received/{number}"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


if __name__ == "__main__":
    main()
