"""Four clients at once: what they send goes through the server, not into its memory."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

MIB = 1 << 20
EACH = (4096 if "PENSTOCK_SOAK" in os.environ else 256) * MIB
CLIENTS = 4


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def watching(pid: int) -> Callable[[], int]:
    """Look at a process' memory until the answer is called, which tells the most there was."""
    peak, over = [resident(pid)], threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            peak.append(max(peak[-1], resident(pid)))

    thread = threading.Thread(target=look)
    thread.start()

    def end() -> int:
        over.set()
        thread.join()
        return peak[-1]

    return end


def test_four_clients_at_once_cost_the_server_less_than_64_mib(post: Any) -> None:
    file, small = post.file("a.bin", EACH), post.file("b.bin", MIB)
    client = post.client(post.nginx.url)
    warm = post.create(small, client)  # what the first upload of all loads is not what an upload costs
    post.send(client, warm, small)
    post.arrived(client, warm)
    created = [post.create(file, client) for _ in range(CLIENTS)]
    pid = post.server.process.pid
    before, peak = resident(pid), watching(pid)
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(lambda one: post.send(post.client(post.nginx.url), one, file), created))
    for one in created:
        post.arrived(client, one)
    grown = peak() - before
    print(f"grew by {grown / MIB:.1f} MiB over {CLIENTS} x {EACH / MIB:.0f} MiB")  # noqa: T201 - a figure
    assert grown < 64 * MIB
