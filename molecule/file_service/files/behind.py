#!/usr/bin/python3
"""What stands behind the front door in this scenario: tells what reaches it, and when."""

import http.server
import json
import socketserver
import sys
from pathlib import Path

arrived: dict[str, int] = {}


class Behind(http.server.BaseHTTPRequestHandler):
    """GET tells headers or redirects inside; PATCH counts the bytes of an upload as they arrive."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """A unix socket has none."""
        return "-"

    def do_GET(self) -> None:
        """`/download/…` is a redirect inside, `/arrived/…` a number of bytes, the rest what was asked."""
        if self.path.startswith("/download/"):
            self._answer({}, {"X-Accel-Redirect": f"/internal/results/{self.path.removeprefix('/download/')}"})
        elif self.path.startswith("/arrived/"):
            self._answer({"bytes": arrived.get(self.path.removeprefix("/arrived"), 0)})
        else:
            self._answer({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})

    def do_PATCH(self) -> None:
        """Take the body as it comes."""
        left = int(self.headers["Content-Length"])
        arrived[self.path] = 0
        while left and (chunk := self.rfile.read1(min(left, 65536))):
            left -= len(chunk)
            arrived[self.path] += len(chunk)
        self._answer({"bytes": arrived[self.path]})

    def _answer(self, told: dict[str, object], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(told).encode()
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One thread a connection."""

    daemon_threads = True


Path(sys.argv[1]).unlink(missing_ok=True)
Server(sys.argv[1], Behind).serve_forever()
