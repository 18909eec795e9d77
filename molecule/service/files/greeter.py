#!/usr/bin/python3
"""A service to try the role with: answers with its pid, its user, its environment and its argument; starts a child."""

import http.server
import json
import os
import subprocess
import sys


class Greeter(http.server.BaseHTTPRequestHandler):
    """Any request gets the same answer."""

    def do_GET(self) -> None:
        """Tell who we are."""
        told = {
            "pid": os.getpid(),
            "user": os.getuid(),
            "greeting": os.environ.get("GREETING"),
            "revision": os.environ.get("SERVICE_REVISION"),
            "home": os.environ.get("HOME"),
            "argument": sys.argv[2],
            "child": child.pid,
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())


child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Greeter).serve_forever()
