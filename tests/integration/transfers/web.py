"""A real NGINX that serves a folder and takes files by PUT."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

from penstock.clock import Deadline

CONFIGURATION = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr; {user}
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files; client_max_body_size 0;
    location / {{ dav_methods PUT; create_full_put_path on; }}
    location /closed/ {{ return 403; }}
  }}
}}
"""


class Web:
    """The server; ``files`` is what it serves."""

    def __init__(self, folder: Path) -> None:
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port, user=user))
        self._words = ["/usr/sbin/nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, path: str, port: int | None = None) -> str:
        """The URL of a path."""
        return f"http://127.0.0.1:{port or self.port}/{path}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(self._words, stderr=subprocess.DEVNULL)
        deadline = Deadline.after(20)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert not deadline.passed
            time.sleep(0.02)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
