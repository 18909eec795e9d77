"""A run from files to results: create, upload, wait, download, verify, acknowledge; resumable at every point."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from penstock.client.digests import Digests
from penstock.client.downloads import Download, publish, staging_folder
from penstock.client.http import Server
from penstock.client.inputs import BUNDLE_ROLE, LocalFile, RemoteFile, Source, pack
from penstock.client.parallel import at_once
from penstock.client.patience import Patience
from penstock.client.state import Record, Records, run_key, take_up
from penstock.client.uploads import send
from penstock.client.workloads import WAIT_S, Account, Created, Result, State, Upload, Workload, Workloads
from penstock.errors import Conflict, Gone, InputChanged, KeyReused, NotFound, PenstockError

ANEW = frozenset({State.FAILED, State.CANCELED, State.ACKNOWLEDGED, State.EXPIRED})  # nothing to go on with


class Watcher(Protocol):
    """Who shows a run to the user. Called from several threads."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def done(self, text: str) -> None:
        """Something is complete."""

    def begin(self, what: str, size: int, files: int) -> None:
        """A transfer of ``size`` bytes in ``files`` files starts: "Reading", "Uploading" or "Downloading"."""

    def advance(self, size: int) -> None:
        """``size`` more bytes of it are done; negative where some must be done again."""

    def end(self) -> None:
        """It is complete."""

    def workload(self, workload: Workload) -> None:
        """Its state or progress changed."""

    def waiting(self, error: PenstockError, left_s: float) -> None:
        """The server does not answer; it is tried for ``left_s`` seconds more."""


@dataclass(frozen=True)
class Order:
    """What is to be run. The parameters are values, not text; the version is that of the pipeline's definition."""

    pipeline: str
    version: str
    parameters: Mapping[str, Any]
    inputs: Sequence[LocalFile | RemoteFile]
    name: str | None = None
    results_to: str | None = None

    @property
    def files(self) -> list[LocalFile]:
        """The inputs that are sent from here."""
        return [entry for entry in self.inputs if isinstance(entry, LocalFile)]


@dataclass
class Times:
    """Seconds that the parts of a run took."""

    upload_s: float = 0.0
    run_s: float = 0.0
    download_s: float = 0.0


@dataclass
class Ticket:
    """A workload that was started or found again, and what its run needs."""

    key: str
    record: Record
    resumed: bool
    times: Times = field(default_factory=Times)


class Runs:
    """Runs of one user at one server."""

    def __init__(self, server: Server, watcher: Watcher, patience: Patience) -> None:
        state = server.settings.state
        self.server = server
        self.workloads = Workloads(server)
        self.records = Records(state)
        self.patience = patience
        self._digests = Digests(state / "digests")
        self.watcher = watcher

    def read(self, order: Order) -> Order:
        """The order with the digest of every file."""
        files = order.files
        self.watcher.begin("Reading", sum(file.size for file in files), len(files))

        def digest(file: LocalFile) -> LocalFile:
            return file.with_digest(self._digests.sha256(file.path, self._read))

        known = dict(zip(map(id, files), at_once(digest, files, self.patience), strict=True))
        self.watcher.end()
        return replace(order, inputs=[known.get(id(entry), entry) for entry in order.inputs])

    def key(self, order: Order) -> str:
        """What an order that was read is found again by."""
        return run_key(
            self.server.url,
            order.pipeline,
            order.version,
            order.parameters,
            order.inputs,
            order.name,
            order.results_to,
        )

    def start(self, order: Order, key: str) -> Ticket:
        """A workload for ``order``: the unfinished one of an earlier run, else a new one."""
        record = self.records.read(key)
        if record is not None and self._goes_on(record):
            return Ticket(key, record, resumed=True)
        self._mention_changed(order)
        created = self._create(order, key)
        record = Record(
            workload=created.id,
            server=self.server.url,
            pipeline=order.pipeline,
            account=created.account,
            token=created.token,
            files=_names(order),
            started=time.time(),
        )
        self.records.write(key, record)
        self.server.use(created.token)
        return Ticket(key, record, resumed=False)

    def take_up(self, workload: str) -> None:
        """Speak as whoever started this workload from here."""
        take_up(self.server, workload)

    def finish(self, ticket: Ticket, *, kept: bool) -> None:
        """The run is over: the same command starts anew. What the server keeps can still be downloaded from here."""
        if kept:
            self.records.write(ticket.key, ticket.record.model_copy(update={"over": True}))
        else:
            self.records.remove(ticket.key)

    def upload(self, order: Order, ticket: Ticket) -> None:
        """Send what the server does not have yet."""
        begun = time.monotonic()
        workload = self.patience.insist(lambda: self.workloads.get(ticket.record.workload))
        if workload.state != State.UPLOADING or not workload.uploads:
            return
        sources = _sources(order)
        jobs = [(upload, _source(sources, upload)) for upload in workload.uploads]
        self.watcher.begin("Uploading", sum(upload.size for upload, _ in jobs), len(order.files))
        try:
            at_once(lambda job: self._send(*job), jobs, self.patience)
        except InputChanged:
            raise
        except (NotFound, Gone, Conflict):
            # canceled from elsewhere: waiting for its end tells why
            if not self.workloads.get(workload.id).state.final:
                raise
        self.watcher.end()
        ticket.times.upload_s = time.monotonic() - begun

    def wait(self, workload: str, times: Times | None = None) -> Workload:
        """Watch a workload until it has ended."""
        begun = time.monotonic()
        current = self.patience.insist(lambda: self.workloads.get(workload))
        while not current.state.final:
            self.watcher.workload(current)
            current = self._next(current)
        self.watcher.workload(current)
        if times is not None:
            times.run_s = time.monotonic() - begun
        return current

    def download(
        self, workload: Workload, output: Path, account: Account | None, times: Times | None = None
    ) -> list[Result]:
        """Bring all results into ``output``, verified against the manifest; nothing lies there before all are right."""
        begun = time.monotonic()
        download = Download(self.server, workload.id, account, self.patience, self.watcher.advance)
        digests = download.manifest()
        results = [_in_manifest(result, digests) for result in workload.results]
        staging = staging_folder(output, workload.id)
        staging.mkdir(parents=True, exist_ok=True)
        self.watcher.begin("Downloading", sum(result.size for result in results), len(results))
        at_once(lambda result: download.fetch(result, result.sha256, staging), results, self.patience)
        publish(staging, output, [result.name for result in results])
        self.watcher.end()
        if times is not None:
            times.download_s = time.monotonic() - begun
        return results

    def acknowledge(self, workload: str) -> None:
        """Have the server remove everything of it."""
        self.patience.insist(lambda: self.workloads.acknowledge(workload))

    def _create(self, order: Order, key: str) -> Created:
        """One workload, however often it must be asked for, and by however many processes."""
        own, earlier = self.records.ask(key)
        try:
            return self._ask_for(order, own)
        except (Conflict, KeyReused):
            self.records.answered(key)
            if not earlier:
                raise
        except PenstockError as error:
            if error.status < 500:  # refused: nothing was made
                self.records.answered(key)
            raise
        # An earlier process has asked, was killed, and what it asked for cannot be gone on with.
        return self._ask_for(order, self.records.ask(key)[0])

    def _ask_for(self, order: Order, key: str) -> Created:
        bundle = pack(order.files)
        return self.patience.insist(
            lambda: self.workloads.create(
                order.pipeline,
                order.parameters,
                order.inputs,
                version=order.version,
                bundle=bundle,
                name=order.name,
                results_to=order.results_to,
                key=key,
            )
        )

    def _goes_on(self, record: Record) -> bool:
        if record.over:
            return False
        self.server.use(record.token)
        try:
            workload = self.patience.insist(lambda: self.workloads.get(record.workload))
        except (NotFound, Gone):
            return False
        if workload.state in ANEW:
            reason = f": {workload.reason}" if workload.reason else ""
            self.watcher.note(f"The earlier run {workload.id} ended as {workload.state}{reason}. Starting anew.")
            return False
        return True

    def _mention_changed(self, order: Order) -> None:
        earlier = self.records.of_files(self.server.url, order.pipeline, _names(order))
        if earlier is not None:
            self.watcher.note(
                f"An earlier run of these files, {earlier.workload}, is not finished, but files or parameters have "
                f"changed since: starting anew. `penstock cancel {earlier.workload}` ends the earlier one."
            )

    def _send(self, upload: Upload, source: Source) -> None:
        send(self.server, upload.url, source, self.patience, self.watcher.advance)

    def _next(self, current: Workload) -> Workload:
        return self.patience.insist(
            lambda: self.workloads.get(current.id, after=current.sequence, wait_s=WAIT_S),
        )

    def _read(self, size: int) -> None:
        self.patience.check()
        self.watcher.advance(size)


def _names(order: Order) -> list[str]:
    return sorted(f"{file.role}={file.path.resolve()}" for file in order.files)


def _sources(order: Order) -> dict[tuple[str, str], Source]:
    bundle = pack(order.files)
    if bundle is not None:
        return {(BUNDLE_ROLE, ""): bundle}
    return {(file.role, file.name): file for file in order.files}


def _source(sources: Mapping[tuple[str, str], Source], upload: Upload) -> Source:
    key = (upload.role, "" if upload.role == BUNDLE_ROLE and (BUNDLE_ROLE, "") in sources else upload.name)
    if key not in sources:
        raise Conflict(f"The server waits for {upload.role} {upload.name}, which this run does not have.")
    return sources[key]


def _in_manifest(result: Result, digests: Mapping[str, str]) -> Result:
    if digests.get(result.name) != result.sha256:
        raise PenstockError(f"The manifest does not agree with the list of results about {result.name}.")
    return result
