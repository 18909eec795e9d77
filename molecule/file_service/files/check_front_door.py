#!/usr/bin/python3
"""Real requests through the front door; ends with 0 only if all is as it should be."""

import http.client
import json
import sys
import time
from pathlib import Path

LOG = Path("/var/log/penstock-file-service/access.log")


def connect() -> http.client.HTTPConnection:
    """To NGINX."""
    return http.client.HTTPConnection("127.0.0.1", 8642, timeout=10)


def ask(path: str, **headers: str) -> tuple[int, bytes, http.client.HTTPMessage]:
    """Status, body and headers of a GET."""
    connection = connect()
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def check_that_requests_are_passed_on() -> None:
    """With who asks and by which name; what a client claims to be is not."""
    _, body, _ = ask("/api/v1/workloads?wait=5", Authorization="Bearer secret", X_Forwarded_For="6.6.6.6")
    told = json.loads(body)
    assert told["path"] == "/api/v1/workloads?wait=5", told
    assert told["headers"]["authorization"] == "Bearer secret", told
    assert told["headers"]["host"] == "127.0.0.1:8642", told
    assert told["headers"]["x-forwarded-for"] == "127.0.0.1", told


def check_that_uploads_are_not_held_back() -> None:
    """The first bytes are there before the last are sent, and there may be more of them than of another body."""
    connection = connect()
    connection.putrequest("PATCH", "/uploads/u1")
    connection.putheader("Content-Length", str(100 << 20))
    connection.endheaders()
    block = bytes(1 << 20)
    connection.send(block)
    deadline = time.monotonic() + 10
    while json.loads(ask("/arrived/uploads/u1")[1])["bytes"] < len(block):
        assert time.monotonic() < deadline, "the first bytes were held back"
        time.sleep(0.05)
    for _ in range(99):
        connection.send(block)
    assert json.loads(connection.getresponse().read()) == {"bytes": 100 << 20}
    connection = connect()
    connection.putrequest("PATCH", "/api/v1/workloads")
    connection.putheader("Content-Length", str(100 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 413


def check_that_results_are_sent() -> None:
    """With ranges, without rights in a browser; not to who asks for the inner address, and nothing from outside."""
    status, body, headers = ask("/download/ada/w1/calls/a%20b.txt", Range="bytes=3-5")
    assert (status, body) == (206, b"345"), (status, body)
    assert "sandbox" in headers["Content-Security-Policy"], headers
    assert headers.get_all("X-Content-Type-Options") == ["nosniff"], headers
    assert headers["Server"] == "nginx", headers
    assert ask("/internal/results/ada/w1/calls/a%20b.txt")[0] == 404
    assert ask("/download/ada/w1/out")[0] in (403, 404)
    assert ask("/download/ada/w1/calls/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd")[0] >= 400


def check_that_no_secret_is_logged() -> None:
    """Neither a signed link's query nor a token."""
    ask("/download/ada/w1/out?signature=verysecret", Authorization="Bearer verysecret")
    text = LOG.read_text()
    assert "/download/ada/w1/out" in text
    assert "verysecret" not in text


if __name__ == "__main__":
    for check in (
        check_that_requests_are_passed_on,
        check_that_uploads_are_not_held_back,
        check_that_results_are_sent,
        check_that_no_secret_is_logged,
    ):
        sys.stdout.write(f"{check.__name__}\n")
        check()
