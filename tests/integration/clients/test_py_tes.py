"""py-tes, the library that most Python clients of TES use: its current release and an old one that is still pinned."""

from __future__ import annotations

import pytest
from tests.integration.clients.conftest import Client

CLIENTS = pytest.mark.parametrize("client", ["py-tes", "py-tes-old"], indirect=True)


@CLIENTS
@pytest.mark.parametrize("login", ["token", "basic"])
def test_py_tes_runs_fails_cancels_and_lists(client: Client, login: str) -> None:
    told = client.drive("drive_py_tes.py", login)
    assert told["service"].startswith("Penstock")
    assert told["states"] == ["COMPLETE", "EXECUTOR_ERROR", "CANCELED"]
    assert told["codes"] == [0, 3]
    assert told["streams"] == ["ada\n", "said\n"]
    whole = "from a file\nfrom the task\n"
    assert (client.folder / "out.txt").read_text() == whole
    assert told["outputs"] == [[f"file://{client.folder}/out.txt", "/out/all", len(whole)]]
    assert told["times"]
    assert told["echoed"] == [f"py-tes {login}", {"run": login}, ["/scratch"], "FILE", 1]
    slow, failed, done = told["ids"]
    assert told["pages"] == [[slow, failed], [done]]
    assert not told["view"]  # BASIC leaves it out


@CLIENTS
def test_py_tes_hears_why_it_is_refused(client: Client) -> None:
    client.token = "pst_wrong_wrong"
    with pytest.raises(AssertionError, match="401"):
        client.drive("drive_py_tes.py", "token")
