"""A long, bad line between client and server: delay, a rate, resets, cuts, and pieces that arrive after the retry."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

PIECE = 64 << 10


@dataclass
class Weather:
    """What happens on the way. Times in seconds, sizes in bytes; ``reset`` is the chance of each 64 KiB."""

    round_trip_s: float = 0.0
    bytes_per_s: float = 0.0  # in the direction of the server; 0 is no limit
    reset: float = 0.0
    cut_after: tuple[int, ...] = ()  # each once, counted over all connections
    late_s: float = 0.0  # after a reset, what was on its way still reaches the server this much later
    seed: int = 1


class SlowLine:
    """Listens on a port of its own (``url``) and forwards to ``port`` of loopback."""

    def __init__(self, port: int, weather: Weather) -> None:
        self.weather = weather
        self.resets = 0
        self.carried = 0
        self._port = port
        self._random = random.Random(weather.seed)  # noqa: S311 - moments of a test
        self._cuts = sorted(weather.cut_after)
        self._free_at = 0.0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        """Cut everything."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in self._writers:
            with suppress(OSError):
                await writer.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            self._writers.add(writer)
            writer.transport.abort()
            return

        self._writers |= {writer, back}

        def both() -> None:
            writer.transport.abort()
            back.transport.abort()

        up = self._keep(self._pump(reader, back, self._pace, lambda: self._reset(writer, back)))
        down = self._keep(self._pump(there, writer, _no_pace, both))
        await asyncio.wait([up, down])
        both()

    def _keep(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _pump(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        pace: Callable[[int], float],
        lost: Callable[[], None],
    ) -> None:
        """Read, hold back for half a round trip, write; what is in between is on the way."""
        way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(self._on_the_way())
        writing = self._keep(self._deliver(way, target))
        try:
            while piece := await source.read(PIECE):
                sent_at = pace(len(piece))
                await asyncio.sleep(max(0.0, sent_at - time.monotonic()))
                await way.put((sent_at + self.weather.round_trip_s / 2, piece))
                if pace is not _no_pace and self._is_cut(len(piece)):
                    lost()
                    if self.weather.late_s:  # the server does not know yet, and gets the rest later than the retry
                        await asyncio.sleep(self.weather.late_s)
                    break
        except OSError:
            pass
        await way.put((0.0, b""))
        with suppress(OSError):
            await writing

    async def _deliver(self, way: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while (due := await way.get())[1]:
                await asyncio.sleep(max(0.0, due[0] - time.monotonic()))
                target.write(due[1])
                await target.drain()
        with suppress(OSError):
            target.close()
        while not way.empty():
            way.get_nowait()

    def _on_the_way(self) -> int:
        """Pieces that a line of this length and rate holds, as a TCP window of its own size would allow."""
        held = self.weather.round_trip_s * (self.weather.bytes_per_s or 1 << 30)
        return max(16, int(1.5 * held / PIECE))

    def _pace(self, size: int) -> float:
        now = time.monotonic()
        if not self.weather.bytes_per_s:
            return now
        self._free_at = max(self._free_at, now - 0.02) + size / self.weather.bytes_per_s
        return self._free_at

    def _is_cut(self, size: int) -> bool:
        self.carried += size
        if self._cuts and self.carried >= self._cuts[0]:
            self._cuts.pop(0)
            return True
        return self._random.random() < self.weather.reset

    def _reset(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.resets += 1
        client.transport.abort()
        if not self.weather.late_s:
            server.transport.abort()


def _no_pace(_size: int) -> float:
    return time.monotonic()
