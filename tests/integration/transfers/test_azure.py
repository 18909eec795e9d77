"""``az://`` against Microsoft's emulator: sent, fetched, resumed, listed; what cannot be is told without secrets."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.conftest import Tes
from tests.integration.transfers.azurite import Azurite
from tests.integration.transfers.proxy import CuttingProxy
from tests.started import started

from penstock.client.credentials import Credentials
from penstock.clock import Deadline
from penstock.errors import InvalidInput
from penstock.staging.objects import PART, ObjectPlace

WRONG = base64.b64encode(b"a-wrong-key-that-must-not-be-seen").decode()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One for all tests, with the container that they use."""
    with started(Azurite(tmp_path_factory.mktemp("azurite"))) as one:
        one.make("reads")
        yield one


def place(azurite: Azurite, url: str, **more: object) -> ObjectPlace:
    """What ``url`` names, with the account's key."""
    return ObjectPlace(url, azurite.storage("reads", **more), allow_private=True)


def put(azurite: Azurite, url: str, content: bytes, folder: Path) -> None:
    """Make an object."""
    (folder / "out").write_bytes(content)
    place(azurite, url).send(folder / "out", Deadline.after(60))


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART + 17])
def test_what_was_sent_comes_back_with_its_digest(azurite: Azurite, tmp_path: Path, size: int) -> None:
    body = os.urandom(size)
    put(azurite, f"az://reads/a b+c%20ü/{size}", body, tmp_path)
    fetched = place(azurite, f"az://reads/a b+c%20ü/{size}").fetch(tmp_path / "in", Deadline.after(60))
    assert (tmp_path / "in").read_bytes() == body
    assert (fetched.size_bytes, fetched.sha256) == (size, hashlib.sha256(body).hexdigest())


def test_a_cut_object_goes_on_where_it_was(azurite: Azurite, tmp_path: Path) -> None:
    body = os.urandom(5_000_000)
    put(azurite, "az://reads/cut", body, tmp_path)
    proxy = CuttingProxy(azurite.port)
    proxy.cuts = [1_000_000, 2_500_000]
    through = azurite.url.replace(str(azurite.port), str(proxy.port))
    fetched = place(azurite, "az://reads/cut", endpoint=through).fetch(tmp_path / "in", Deadline.after(60))
    assert fetched.sha256 == hashlib.sha256(body).hexdigest()
    assert proxy.connections >= 3
    proxy.close()


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("az://reads/none", {}, "az://reads/none cannot be fetched: it does not exist"),
        ("az://elsewhere/x", {}, "az://elsewhere/x cannot be fetched: it does not exist"),
        ("az://reads/x", {"account_key": WRONG}, "access is denied with the credentials 'lab'"),
        ("az://reads/x", {"account_name": "somebodyelse"}, "access is denied with the credentials 'lab'"),
    ],
)
def test_what_cannot_be_fetched_is_final_and_tells_no_secret(
    azurite: Azurite, tmp_path: Path, url: str, secret: dict[str, str], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        place(azurite, url, secret=azurite.secret(**secret)).fetch(tmp_path / "x", Deadline.after(30))
    assert azurite.key not in str(caught.value)
    assert WRONG not in str(caught.value)


def test_without_credentials_nothing_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="needs credentials"):
        ObjectPlace("az://reads/x", None, allow_private=True).fetch(tmp_path / "x", Deadline.after(5))


def test_a_task_s_files_and_folders_come_and_go(
    azurite: Azurite, credentials: Credentials, tasks: Tes, tmp_path: Path
) -> None:
    what = {"scheme": "az", "bucket": "reads", "endpoint": azurite.url}
    credentials.set("azure", what, azurite.secret())
    for name in ("in/a", "in/sub/b"):
        put(azurite, f"az://reads/{name}", name.encode(), tmp_path)
    done = tasks.run(
        "cat /in/a /in/sub/b > /out/both",
        inputs=[{"path": "/in", "url": "az://reads/in/", "type": "DIRECTORY"}],
        outputs=[{"path": "/out", "url": "az://reads/out", "type": "DIRECTORY"}],
    )
    assert done["state"] == "COMPLETE", done
    assert place(azurite, "az://reads/out/").names(Deadline.after(30)) == ["both"]
    place(azurite, "az://reads/out/both").fetch(tmp_path / "both", Deadline.after(30))
    assert (tmp_path / "both").read_text() == "in/ain/sub/b"
