"""kill -9 of server and NGINX at seeded moments of an upload; 4 moments here, 50 with PENSTOCK_SOAK."""

from __future__ import annotations

import os
import random
import threading
from typing import Any

import pytest
from tests.integration.uploads.slow_line import Weather

from penstock.clock import Deadline

MIB = 1 << 20
SIZE = 24 * MIB
MOMENTS = 50 if "PENSTOCK_SOAK" in os.environ else 4


@pytest.mark.parametrize("seed", range(MOMENTS))
def test_what_was_acknowledged_survives_a_kill(post: Any, lines: Any, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a moment
    victim, at = ("server", "nginx")[seed % 2], chance.randrange(SIZE)
    file = post.file("a.bin", SIZE, seed)
    line = lines(post.port, Weather(round_trip_s=0.002, bytes_per_s=40e6, seed=seed))
    client, direct = post.client(line.url), post.client(post.nginx.url)
    created = post.create(file, direct)
    killed = threading.Event()

    def kill() -> None:
        deadline = Deadline.after(30)
        while post.incoming(created) < at and not deadline.passed and not killed.wait(0.001):
            pass
        before = post.incoming(created)
        if victim == "server":
            post.server.kill()
            assert post.incoming(created) >= before
            post.server.start()
        else:
            post.nginx.kill()
            post.nginx.start()

    killer = threading.Thread(target=kill)
    killer.start()
    post.send(client, created, file)
    killer.join()
    post.patient(lambda: post.arrived(direct, created))
    assert post.noting.resent == []
    assert list((post.server.data / "workspace" / "incoming").iterdir()) == []
