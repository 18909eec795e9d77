"""A real S3 gateway (versitygw) over a folder: every folder below it is a bucket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from pathlib import Path

from tests.conftest import RunningServer

from penstock.client.credentials import Credentials
from penstock.client.http import Server
from penstock.clock import Deadline
from penstock.settings import Settings
from penstock.staging.storage import Storage

REPOSITORY = Path(__file__).resolve().parents[3]
ACCESS, SECRET = "penstock-test", "a-secret-that-must-not-be-seen"
START_S = 20.0


def program() -> str:
    """The gateway's program, built once for each state of its go.sum."""
    built = subprocess.run([REPOSITORY / "scripts" / "versitygw"], check=True, capture_output=True, text=True)
    return built.stdout.strip()


class Gateway:
    """The gateway as a process; ``root`` holds the buckets. It takes the port it had before."""

    def __init__(self, folder: Path, root: Path | None = None, accounts: dict[str, str] | None = None) -> None:
        self._accounts = folder / "accounts"
        if accounts is not None:
            self._write_accounts(accounts)
        self.root = root or folder / "buckets"
        self.root.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        sidecar = self._folder / "sidecar"
        sidecar.mkdir(exist_ok=True)
        words = [program(), "--port", f"127.0.0.1:{self.port}", "--quiet"]
        words += ["--iam-dir", str(self._accounts)] if self._accounts.exists() else []
        words += ["posix", "--sidecar", str(sidecar)]
        keys = {"ROOT_ACCESS_KEY_ID": ACCESS, "ROOT_SECRET_ACCESS_KEY": SECRET, "PATH": os.environ["PATH"]}
        with (self._folder / "gateway.log").open("ab") as log:
            self._process = subprocess.Popen([*words, str(self.root)], env=keys, stdout=log, stderr=log)
        deadline = Deadline.after(START_S)
        while not self._answers():
            assert not deadline.passed, (self._folder / "gateway.log").read_text()
            assert self._process.poll() is None, (self._folder / "gateway.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self, name: str) -> Path:
        """A bucket's folder."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder

    def storage(self, bucket: str, **other: object) -> Storage:
        """Credentials for a bucket."""
        values = {"access_key_id": ACCESS, "secret_access_key": SECRET}
        given = {"name": "lab", "scheme": "s3", "bucket": bucket, "endpoint": self.url, "secret": values}
        return Storage.model_validate(given | other)

    def give(self, server: RunningServer, bucket: str, *, secret: str = SECRET, key_file: str = "none") -> Path:
        """A bucket, and credentials for it to the owner of the token in a file, which lies in the server's data."""
        with Server(Settings(url=server.url, token_file=server.data / key_file)) as connection:
            what = {"scheme": "s3", "bucket": bucket, "endpoint": self.url}
            Credentials(connection).set("lab", what, {"access_key_id": ACCESS, "secret_access_key": secret})
        return self.bucket(bucket)

    def own(self, bucket: str) -> None:
        """Let the account of a bucket's name have it."""
        keys = {"ADMIN_ACCESS_KEY_ID": ACCESS, "ADMIN_SECRET_ACCESS_KEY": SECRET, "ADMIN_ENDPOINT_URL": self.url}
        words = [program(), "admin", "change-bucket-owner", "--bucket", bucket, "--owner", bucket]
        subprocess.run(words, check=True, capture_output=True, env={"PATH": os.environ["PATH"], **keys})

    def _write_accounts(self, accounts: dict[str, str]) -> None:
        """Users by name and secret, as the gateway keeps them: so no secret stands on a command line."""
        users = {name: {"access": name, "secret": secret, "role": "user"} for name, secret in accounts.items()}
        self._accounts.mkdir(mode=0o700)
        (self._accounts / "users.json").write_text(json.dumps({"accessAccounts": users}))

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
