"""``penstock account``: as somebody uses it who hands results to a colleague."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.conftest import RunningServer
from tests.integration.cli.conftest import Shell
from tests.integration.cli.test_cli_tokens import account_of, guarded, user

__all__ = ["guarded"]  # the fixture: a server that wants tokens


@pytest.fixture
def ada(guarded: RunningServer, tmp_path: Path) -> Shell:
    return user(guarded, tmp_path, "ada")


def test_an_account_is_shown_rotated_revoked_and_opened_again(guarded: RunningServer, ada: Shell) -> None:
    ada.file("a.txt", "1\n2\n")
    told = ada.json("run", "tally", "--text", "a.txt", "--output", "out", "--keep")
    url, first = f"{guarded.url}/download/{told['id']}/files/counts/a", account_of(ada, told["id"])

    def opens(account: tuple[str, str]) -> bool:
        return httpx.get(url, auth=account, trust_env=False).status_code == 200

    assert ada.json("account", "show", told["id"])["name"] == first[0]
    link = ada.ok("account", "link", told["id"], "counts/a", "--hours", "1").strip()
    assert httpx.get(link, trust_env=False).text == "2\n"
    assert opens(first)
    name, secret = ada.ok("account", "rotate", told["id"]).split()
    assert (opens(first), opens((name, secret))) == (False, True)
    assert account_of(ada, told["id"]) == (name, secret)
    assert httpx.get(link, trust_env=False).status_code == 401
    ada.ok("account", "revoke", told["id"])
    ada.ok("account", "revoke", told["id"])
    assert not opens((name, secret))
    assert ada.ok("account", "show", told["id"]).strip() == "revoked"
    ada.ok("download", told["id"], "--output", "again")  # the owner's token opens what the kept account no longer does
    assert (ada.folder / "again" / "counts" / "a").read_text() == "2\n"
    assert "revoked" in ada.wrong("account", "link", told["id"], "counts/a", code=1)
    ada.ok("ack", told["id"])
