"""Our upload, a plain NGINX PUT and `dd conv=fsync` to the same disk, side by side; and 10,000 small files as one.

Prints the table of docs/performance.md. All three read the same file; ours makes every byte durable before it says so.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import RunningServer  # noqa: E402 - the path comes first
from tests.integration.nginx import Nginx  # noqa: E402

from penstock.client.http import Server  # noqa: E402
from penstock.client.inputs import LocalFile, look_at, pack  # noqa: E402
from penstock.client.patience import Patience  # noqa: E402
from penstock.client.uploads import send  # noqa: E402
from penstock.client.workloads import State, Workloads  # noqa: E402
from penstock.settings import Settings  # noqa: E402

MIB = 1 << 20
SIZE, TIMES, SMALL = 512 * MIB, 3, 10_000
PIPELINE = (
    "{name: lines, title: L, version: '1', results: {files: ['*.txt']},"
    " inputs: {text: {title: T, formats: [bin], suffixes: [.bin], max: null}}}"
)
DAV = """daemon off; user root; pid {folder}/pid; error_log stderr; events {{}}
http {{ access_log off; client_body_temp_path {folder}/body; client_max_body_size 0;
server {{ listen 127.0.0.1:{port}; location / {{ root {folder}/files; dav_methods PUT; create_full_put_path on; }} }} }}
"""


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        folder = Path(name)
        file = folder / "data.bin"
        with file.open("wb") as target:
            for _ in range(SIZE // MIB):
                target.write(os.urandom(MIB))
        rows = {
            "Penstock (tus through NGINX, durable)": penstock(folder, file),
            "NGINX PUT (WebDAV, not durable)": nginx_put(folder, file),
            "`dd conv=fsync` to the same disk": dd(folder, file),
        }
        print(f"| upload of {SIZE // MIB} MiB over loopback, median of {TIMES} | MB/s |\n|---|---|")
        for what, rate in rows.items():
            print(f"| {what} | {rate:.0f} |")
        print(f"\n10,000 files of 1 kB as one tar: {small_files(folder):.1f} s until the server has checked them all")


def rate(call: Callable[[], None]) -> float:
    """Megabytes a second, the median of some tries."""
    took = []
    for _ in range(TIMES):
        began = time.monotonic()
        call()
        took.append(time.monotonic() - began)
    return SIZE / 1e6 / statistics.median(took)


class House:
    """A server that only receives, behind NGINX."""

    def __init__(self, folder: Path) -> None:
        catalogue = folder / "catalogue" / "lines"
        catalogue.mkdir(parents=True)
        (catalogue / "pipeline.yml").write_text(PIPELINE)
        environment = {"PENSTOCK_CATALOGUE": str(catalogue.parent), "PENSTOCK_AUTHENTICATION": "none"}
        self.server = RunningServer(folder / "server", environment=environment)
        self.server.start()
        self.nginx = Nginx(folder / "nginx", self.server.data)
        self.nginx.start()
        settings = Settings(url=self.nginx.url, state=folder / "state", token_file=folder / "no-token")
        self.client = Server(settings)
        self.workloads = Workloads(self.client)

    def upload(self, files: list[LocalFile]) -> str:
        """Send, and the workload's id."""
        bundle = pack(files)
        created = self.workloads.create("lines", {}, files, bundle=bundle)
        patience = Patience(60, lambda _error, _left: None)
        send(self.client, created.uploads[0].url, bundle or files[0], patience, lambda _size: None)
        return created.id

    def close(self) -> None:
        """End it."""
        self.client.close()
        self.nginx.stop()
        self.server.stop()


def penstock(folder: Path, file: Path) -> float:
    """Ours; the digest is taken before, as the client remembers it."""
    base = folder / "penstock"
    base.mkdir()
    house = House(base)
    with file.open("rb") as source:
        given = look_at("text", file).with_digest(hashlib.file_digest(source, "sha256").hexdigest())
    try:
        return rate(lambda: _discard(house.upload([given])))
    finally:
        house.close()


def nginx_put(folder: Path, file: Path) -> float:
    """NGINX alone: a PUT that it renames into place."""
    base = folder / "dav"
    (base / "files").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (base / "nginx.conf").write_text(DAV.format(folder=base, port=port))
    command = ["/usr/sbin/nginx", "-p", str(base), "-e", "stderr", "-c", str(base / "nginx.conf")]
    nginx = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    put = ["curl", "-sS", "--fail", "--retry", "20", "--retry-connrefused", "--retry-delay", "1", "-T", str(file)]
    url = f"http://127.0.0.1:{port}/x.bin"
    try:
        subprocess.run(["curl", "-s", "--retry", "20", "--retry-connrefused", url], check=True, capture_output=True)
        return rate(lambda: _discard(subprocess.run([*put, url], check=True)))
    finally:
        nginx.send_signal(signal.SIGTERM)
        nginx.wait()


def dd(folder: Path, file: Path) -> float:
    """The disk."""
    command = ["dd", f"if={file}", f"of={folder / 'dd.bin'}", "bs=1M", "conv=fsync"]
    return rate(lambda: _discard(subprocess.run(command, check=True, stderr=subprocess.DEVNULL)))


def small_files(folder: Path) -> float:
    """Seconds from reading 10,000 files to QUEUED."""
    base = folder / "small"
    (base / "in").mkdir(parents=True)
    for number in range(SMALL):
        (base / "in" / f"{number:05}.bin").write_bytes(os.urandom(1000))
    house = House(base)
    try:
        began = time.monotonic()
        files = [_digested(path) for path in sorted((base / "in").iterdir())]
        workload = house.upload(files)
        now = house.workloads.get(workload)
        while now.state in (State.UPLOADING, State.PREPARING):
            now = house.workloads.get(workload, after=now.sequence, wait_s=30)
        assert now.state == State.QUEUED, now.reason
        return time.monotonic() - began
    finally:
        house.close()


def _digested(path: Path) -> LocalFile:
    return look_at("text", path).with_digest(hashlib.sha256(path.read_bytes()).hexdigest())


def _discard(_answer: object) -> None:
    return None


if __name__ == "__main__":
    main()
