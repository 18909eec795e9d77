"""kill -9 of server, agent and NGINX in every phase of a workload: the same command succeeds all the same.

Each test shows which phase its kill has hit: the store's state, read after the kill. `make test` plays a sample at
moments that a seed chooses; `make soak` plays every victim in every phase, with PENSTOCK_SOAK seeds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.kills.scene import Missed, Scene, play

SOAK = int(os.environ.get("PENSTOCK_SOAK", "0"))
VICTIMS = ("server", "nginx", "agent")
SAMPLE = [
    ("server", "upload"),
    ("server", "preparing"),
    ("server", "running"),
    ("server", "packing"),
    ("server", "download"),
    ("server", "clean-up"),
    ("nginx", "upload"),
    ("nginx", "download"),
    ("agent", "preparing"),
    ("agent", "running"),
]
STATES = {
    "upload": "UPLOADING",
    "preparing": "PREPARING",
    "running": "RUNNING",
    "packing": "PACKING",
    "download": "SUCCEEDED",
    "clean-up": "ACKNOWLEDGED",
}


def _moment(scene: Scene, phase: str) -> Callable[[], bool]:
    """What holds at a moment inside the phase."""
    share = int(scene.random.uniform(0.02, 0.8) * (scene.megabytes << 20))
    if phase == "upload":
        return lambda: scene.received() > share
    if phase == "running":
        return lambda: scene.running_processes() > 0
    if phase == "download":
        return lambda: scene.state() == "SUCCEEDED" and scene.downloaded() > share
    return lambda: scene.state() == STATES[phase]


def _check_once(scene: Scene) -> None:
    """No process has a second attempt, and no executor a second log."""
    for name, attempts in scene.attempts().items():
        assert len(attempts) == 1, f"{name}: {attempts}"
        assert attempts[0][1] <= 1, f"{name}: {attempts}"


def _kill(scene: Scene, victim: str) -> Callable[[], None]:
    """Kill the victim; answers what brings it back."""
    if victim == "server":
        scene.server.kill()
        return scene.server.start
    if victim == "nginx":
        scene.nginx.kill()
        return scene.nginx.start
    scene.kill_agent()
    return lambda: None  # the server keeps an agent


@pytest.mark.parametrize("seed", range(max(SOAK, 1)))
@pytest.mark.parametrize(("victim", "phase"), [(v, p) for v in VICTIMS for p in STATES] if SOAK else SAMPLE)
def test_a_workload_survives_kill_9(tmp_path: Path, victim: str, phase: str, seed: int) -> None:
    def scene(one: Scene) -> None:
        client = one.run()
        try:
            one.until(_moment(one, phase), client)
            revive = _kill(one, victim)
            if one.state() != STATES[phase]:
                raise Missed(f"{one.state()} came after {STATES[phase]}")
            before = set(one.attempts())
            revive()
            one.until(lambda: one.state() in ("SUCCEEDED", "ACKNOWLEDGED", "GONE"), client)
            _check_once(one)
            assert before <= set(one.attempts()) or one.state() in ("ACKNOWLEDGED", "GONE")
            one.check(client)
        finally:
            client.kill()
            client.communicate()

    play(tmp_path, seed, scene)


def test_runners_go_on_while_server_and_agent_are_dead(tmp_path: Path) -> None:
    def scene(one: Scene) -> None:
        client = one.run()
        try:
            one.until(lambda: one.running_processes() >= 2, client)
            one.server.kill()
            killed_us = time.time_ns() // 1000
            done = one.server.data / "agent"
            assert one.state() == "RUNNING"
            assert done.exists()
            one.server.start()
            one.until(lambda: one.state() in ("SUCCEEDED", "ACKNOWLEDGED", "GONE"), client)
            assert any(start < killed_us < end for start, end in one.spans().values())
            _check_once(one)
            one.check(client)
        finally:
            client.kill()
            client.communicate()

    play(tmp_path, 7, scene)
