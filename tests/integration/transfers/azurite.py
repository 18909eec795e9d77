"""The Azure Blob Storage emulator (Azurite), as Microsoft publishes it."""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
import subprocess
from email.utils import formatdate
from pathlib import Path

import httpx
from tests.waiting import until

from penstock.staging.storage import Storage

REPOSITORY = Path(__file__).resolve().parents[3]
ACCOUNT = "penstocktest"
_VERSION = "2021-12-02"
_LISTENS = re.compile(r"successfully listens on (http://127\.0\.0\.1:\d+)")


class Azurite:
    """The emulator as a process, with one account and a key of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()

    def start(self) -> None:
        """Start it and wait until it answers."""
        built = subprocess.run([REPOSITORY / "scripts" / "azurite"], check=True, capture_output=True, text=True)
        words = [built.stdout.strip(), "--blobPort", "0", "--location", str(self._folder), "--silent"]
        words.append("--skipApiVersionCheck")  # it knows no later ones than its own, which the library may speak
        log = self._folder / "azurite.log"
        accounts = {"PATH": os.environ["PATH"], "HOME": str(self._folder), "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"}
        with log.open("wb") as output:
            self._process = subprocess.Popen(words, env=accounts, stdout=output, stderr=output)
        until(lambda: _LISTENS.search(log.read_text()) or self._process.poll() is not None)
        found = _LISTENS.search(log.read_text())
        assert found, log.read_text()
        self.url = f"{found[1]}/{ACCOUNT}"
        self.port = int(found[1].rpartition(":")[2])

    def stop(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait()

    def make(self, container: str) -> None:
        """A container. Signed as Microsoft's reference says, under "Authorize with Shared Key"."""
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
        headers = "".join(f"{name}:{value}\n" for name, value in sent.items())
        text = "PUT" + "\n" * 12 + headers + f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
        signature = base64.b64encode(hmac.digest(base64.b64decode(self.key), text.encode(), "sha256")).decode()
        sent["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
        url = f"{self.url}/{container}?restype=container"
        httpx.put(url, headers=sent, trust_env=False).raise_for_status()

    def secret(self, **other: str) -> dict[str, str]:
        """What opens the account."""
        return {"account_name": ACCOUNT, "account_key": self.key, **other}

    def storage(self, container: str, **other: object) -> Storage:
        """Credentials for a container."""
        given = {"name": "lab", "scheme": "az", "bucket": container, "endpoint": self.url, "secret": self.secret()}
        return Storage.model_validate(given | other)
