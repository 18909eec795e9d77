"""A TCP proxy that cuts connections: what bad networks do."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class CuttingProxy:
    """Passes bytes on to a port of this machine. ``cuts``: how many bytes of answer each connection passes on."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cuts: list[int] = []
        self.connections = 0
        self.before: dict[int, Callable[[], None]] = {}  # what happens before the nth connection is made
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self.before.get(self.connections, lambda: None)()
                cut = self.cuts.pop(0) if self.cuts else None
                server = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=_pass_on, args=(client, server, None), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client, cut), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, left: int | None) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536 if left is None else max(1, min(65536, left))):
            sink.sendall(chunk)
            left = None if left is None else left - len(chunk)
            if left == 0:
                break
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
