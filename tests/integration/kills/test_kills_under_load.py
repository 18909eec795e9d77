"""kill -9 of server, agent and database at seeded moments under a load of tasks: nothing is lost, nothing runs twice.

`make test` plays a sample; `make soak` 200 moments under 500 tasks. Every moment names a phase, and counts only if the
store shows, after the kill, that it was hit; else it is played again. The kills that missed count for nothing, but what
they broke would be found all the same.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.conftest import end_runners
from tests.integration.kills.ground import FINAL, Apart, Ground, PostgresLook, SqliteLook, Together, processes_of
from tests.integration.kills.load import KINDS, OUTPUTS, Client, Load, Moves, Witness
from tests.postgres import Postgres

from penstock.clock import Deadline
from penstock.tasks.retry import GIVEN_BACK

SOAK = int(os.environ.get("PENSTOCK_SOAK", "0"))
TASKS = 500 if SOAK else 40
MOMENTS = 100 if SOAK else 3  # on each of the two grounds
PHASE_S, DRAIN_S = 300.0, 900.0
TRIES = 40
RECOVERY_S = 10.0
Look = SqliteLook | PostgresLook
# In the sample the first MOMENTS are played.
SQLITE = [
    ("server", "publishing"),
    ("agent", "started"),
    ("server", "creating"),
    ("server", "leased"),
    ("server", "started"),
    ("server", "unreported"),
    ("server", "settled"),
    ("server", "canceling"),
    ("agent", "leased"),
    ("agent", "unreported"),
    ("agent", "canceling"),
]
POSTGRES = [
    ("database", "publishing"),
    ("database", "creating"),
    ("agent", "unreported"),
    ("database", "leased"),
    ("database", "started"),
    ("database", "canceling"),
    ("server", "creating"),
    ("server", "publishing"),
    ("server", "started"),
    ("agent", "started"),
]
# Answers a row while the phase lasts.
QUERIES = {
    "leased": "SELECT 1 FROM attempts WHERE state = 'leased' LIMIT 1",
    "started": "SELECT 1 FROM attempts WHERE state = 'started' LIMIT 1",
    "publishing": "SELECT 1 FROM attempts WHERE state = 'finished' AND outcome IS NULL LIMIT 1",
    "canceling": "SELECT 1 FROM tasks WHERE state = 'CANCELING' LIMIT 1",
}
ALIVE = f"SELECT count(*) FROM tasks WHERE state NOT IN {FINAL}"  # noqa: S608 - two constants
TO_CANCEL = "SELECT id FROM tasks WHERE state = 'RUNNING' AND name LIKE 'cancel-%'"


@dataclass
class Game:
    """One load on one ground, and what was counted."""

    ground: Ground
    client: Client
    look: Look
    moves: Moves
    random: random.Random
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: int = 0
    recovery_s: list[float] = field(default_factory=list)

    def holds(self, phase: str, unanswered: int) -> bool:
        """Whether the store, or the client, is in this phase."""
        if phase == "creating":
            return self.client.sending or self.client.unanswered > unanswered
        if phase in ("unreported", "settled"):
            return self._has_folder(live=phase == "unreported")
        return bool(self.look.rows(QUERIES[phase]))

    def _has_folder(self, *, live: bool) -> bool:
        """Whether an attempt's result is there and the store does not know, or its folder after it was settled."""
        found = folders(self.ground.workspace / "tasks")
        if live:
            found = [path for path in found if (path / "result.json").exists()]
        ids = ", ".join(f"'{path.parent.name}-{path.name}'" for path in found[:200]) or "''"
        state = "state IN ('leased', 'started')" if live else "outcome IS NOT NULL"
        return bool(self.look.rows(f"SELECT 1 FROM attempts WHERE {state} AND id IN ({ids}) LIMIT 1"))  # noqa: S608

    def strike(self, victim: str, phase: str) -> bool:
        """Kill at a moment of this phase, bring back, wait until work goes on; whether the phase was hit."""
        pause = Deadline.after(self.random.uniform(0, 0.7))
        self._until(lambda: pause.passed)
        self._until(lambda: self.holds(phase, self.client.unanswered), step_s=0.0005)
        before = self.client.unanswered
        revive = self.ground.victims[victim]()
        hit = self.holds(phase, before)
        leased = self._leased()
        began = time.monotonic()
        revive()
        self._until(lambda: self._leased() > leased)
        self.recovery_s.append(time.monotonic() - began)
        told = "hit" if hit else "missed"
        sys.stdout.write(f"{victim}, {phase}: {told}, recovered after {self.recovery_s[-1]:.1f} s\n")
        return hit

    def play(self, moments: list[tuple[str, str]]) -> None:
        """Every moment until it was hit."""
        for victim, phase in moments:
            for _ in range(TRIES):
                if self.strike(victim, phase):
                    self.hits[victim, phase] += 1
                    break
                self.missed += 1
            else:
                pytest.fail(f"{victim}, {phase}: missed {TRIES} times")

    def drain(self) -> None:
        """Wait until everything has ended."""
        self._until(lambda: not self.look.rows(ALIVE)[0][0], DRAIN_S, step_s=0.2)

    def _leased(self) -> int:
        return int(self.look.rows("SELECT count(*) FROM attempts")[0][0])

    def _until(self, what: Callable[[], bool], seconds: float = PHASE_S, step_s: float = 0.02) -> None:
        deadline = Deadline.after(seconds)
        while not what():
            self.moves.read()
            assert not deadline.passed, self.ground.server.log()[-5000:]
            time.sleep(step_s)

    def check(self, witness: Witness) -> None:
        """What was promised was kept, once, and nothing is left."""
        rows = self.look.rows("SELECT id, name, state, reason FROM tasks")
        found = {name: (task, state) for task, name, state, _ in rows}
        assert len(found) == len(rows), "a create was done twice"
        for task, name in self.client.acknowledged.items():
            assert found.get(name, ("",))[0] == task, f"{name} was acknowledged as {task} and is not there"
        lost = self.look.rows("SELECT id, reason FROM attempts WHERE outcome = 'LOST' OR state = 'lost'")
        assert {reason for _, reason in lost} <= {GIVEN_BACK}, lost  # leased, but nobody had begun; see below
        runs, moves = witness.runs(), self.moves.read()
        wrong = [row for row in rows if not self._is_right(row[1], row[0], row[2], runs, moves)]
        assert not wrong, [(row, runs[f"{row[1]} 0"], runs[f"{row[1]} 1"]) for row in wrong[:20]]
        assert {name.rpartition(".")[0] for name in moves} <= found.keys()
        self._until(lambda: not self.left(), 60, step_s=0.1)
        self._check_store()

    def _is_right(self, name: str, task: str, state: str, runs: Counter[str], moves: Counter[str]) -> bool:
        kind = name.partition("-")[0]
        wanted = KINDS[kind] if kind != "cancel" or task in self.client.canceled else {"CANCELED", "COMPLETE"}
        began = [runs[f"{name} {place}"] for place in (0, 1)]
        outputs = [f"{name}.{n}" for n in range(1 if kind == "lacks" else 0, OUTPUTS)]
        published = [moves[one] for one in outputs]
        if state == "CANCELED":
            return state in wanted and max(*began, *published) <= 1
        data = self.ground.workspace / "owners" / "local" / "data"
        whole = all((data / one).read_text() == f"{name}\n" for one in outputs)
        return state in wanted and began == [1, 1] and published == [1] * len(outputs) and whole

    def left(self) -> list[str]:
        """Folders and processes of attempts; all of them have ended."""
        folders = [self.ground.workspace / "tasks", self.ground.workspace / "outgoing", self.ground.register]
        found = [str(path) for folder in folders for path in folder.iterdir()]
        attempts = {row[0] for row in self.look.rows("SELECT id FROM attempts")}
        return found + processes_of(attempts)

    def _check_store(self) -> None:
        command = [sys.executable, "-m", "penstock.cli.main", "admin", "check"]
        told = {**self.ground.server.variables(), "PENSTOCK_DATA": str(self.ground.server.data)}
        done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def figures(self, name: str) -> str:
        """What is published: kills by victim and phase, recovery."""
        hits = ", ".join(f"{victim}/{phase} {count}" for (victim, phase), count in sorted(self.hits.items()))
        p50, worst = statistics.median(self.recovery_s), max(self.recovery_s)
        tasks = len(self.client.acknowledged)
        return (
            f"{name}: {self.hits.total()} kills that hit ({hits}), {self.missed} that missed their phase; {tasks} "
            f"tasks acknowledged, {self.client.unanswered} not; recovery p50 {p50:.1f} s, at most {worst:.1f} s\n"
        )


def folders(root: Path) -> list[Path]:
    """The folders of attempts, of which any may vanish meanwhile."""
    found: list[Path] = []
    for task in root.iterdir():
        with suppress(FileNotFoundError):
            found += task.iterdir()
    return found


def moments_of(table: list[tuple[str, str]], seed: int) -> list[tuple[str, str]]:
    """As many as are played, each pair as often as the others, in an order that the seed chooses."""
    chosen = [table[number % len(table)] for number in range(MOMENTS)]
    random.Random(seed).shuffle(chosen)  # noqa: S311 - a test's order, no secret
    return chosen


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    one = Witness(tmp_path / "witness")
    yield one
    one.close()


def play(ground: Ground, witness: Witness, moments: list[tuple[str, str]], seed: int) -> Game:
    """The whole game on one ground."""
    client = Client(ground.server.url, seed, witness.port)
    load, looks = Load(client, TASKS), [ground.look(), ground.look()]
    with (
        closing(looks[0]),
        closing(looks[1]),
        closing(Moves(ground.workspace / "owners" / "local" / "data")) as moves,
        closing(client),
    ):
        game = Game(ground, client, looks[0], moves, random.Random(seed))  # noqa: S311 - moments of a test

        def live() -> tuple[int, list[str]]:
            running = [str(row[0]) for row in looks[1].rows(TO_CANCEL)]
            return int(looks[1].rows(ALIVE)[0][0]), running

        load.start(live)
        try:
            game.play(moments)
        finally:
            load.stop()
        game.drain()
        game.check(witness)
    return game


def test_a_load_on_sqlite_survives_kills_of_server_and_agent(tmp_path: Path, witness: Witness) -> None:
    ground = Together(tmp_path)
    try:
        game = play(ground, witness, moments_of(SQLITE, 1), 1)
    finally:
        ground.stop()
        end_runners(tmp_path)
    sys.stdout.write(game.figures("SQLite"))


def test_a_load_on_postgresql_survives_kills_of_server_agent_and_database(
    tmp_path: Path, witness: Witness, own_postgres: Postgres
) -> None:
    ground = Apart(tmp_path, own_postgres)
    try:
        game = play(ground, witness, moments_of(POSTGRES, 2), 2)
    finally:
        ground.stop()
        end_runners(tmp_path)
    sys.stdout.write(game.figures("PostgreSQL"))
