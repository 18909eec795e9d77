"""Every address of a workload × everybody who may try: who gets in, and what strangers learn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from penstock.clock import MICROSECONDS
from penstock.names import new_id

RESULTS = {"results/a table.tsv": b"n\t3\n" * 1000, "results/other.txt": b"x"}
FILE, OTHER = "files/results/a%20table.tsv", "files/results/other.txt"
DOWNLOADS = ["", "manifest.sha256", "results.tar.zst", FILE, OTHER, "files/absent"]
API = [
    ("GET", ""),
    ("GET", "/events"),
    ("GET", "/account"),
    ("POST", "/account:rotate"),
    ("DELETE", "/account"),
    ("POST", "/links"),
    ("POST", ":cancel"),
    ("POST", ":acknowledge"),
]
Key = dict[str, Any]  # what httpx sends with a request


@dataclass
class Scene:
    """A workload with results, one of the same owner beside it, and one of somebody else."""

    site: Any
    mine: dict[str, Any]
    beside: dict[str, Any]
    pauses: list[float]

    @property
    def id(self) -> str:
        return str(self.mine["id"])

    async def ask(self, method: str, url: str, **key: Any) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.site.url) as nobody:
            return await nobody.request(method, url, **key)

    async def rotate(self) -> Key:
        answer = await self.site.client.post(f"/api/v1/workloads/{self.id}/account:rotate")
        assert answer.status_code == 200, answer.text
        return account(answer.json())

    async def link(self, path: str = FILE.replace("%20", " "), lifetime_s: int = 60) -> dict[str, str]:
        body = {"path": path, "lifetime_s": lifetime_s}
        answer = await self.site.client.post(f"/api/v1/workloads/{self.id}/links", json=body)
        assert answer.status_code == 201, answer.text
        return dict(pair.split("=") for pair in urlsplit(answer.json()["url"]).query.split("&"))


def account(body: dict[str, str]) -> Key:
    return {"auth": (body["name"], body["secret"])}


@pytest.fixture
async def scene(site: Any) -> Scene:
    """A workload that has succeeded, and another one; waiting is only noted."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    site.inside.workloads.downloads.accounts.pause = pause
    mine, beside = await site.submit({"a.txt": b"a"}), await site.create({"a.txt": b"a"})
    await site.run(mine["id"], RESULTS)
    return Scene(site, mine, beside, pauses)


async def its_account(scene: Scene) -> Key:
    return account(scene.mine["account"])


async def anothers_account(scene: Scene) -> Key:
    return account(scene.beside["account"])


async def revoked_account(scene: Scene) -> Key:
    for _ in range(2):  # revoking is idempotent
        answer = await scene.site.client.delete(f"/api/v1/workloads/{scene.id}/account")
        assert answer.status_code == 204
    return account(scene.mine["account"])


async def rotated_account(scene: Scene) -> Key:
    await scene.rotate()
    return account(scene.mine["account"])


async def account_after_rotation(scene: Scene) -> Key:
    return await scene.rotate()


async def account_rotated_after_it_was_revoked(scene: Scene) -> Key:
    await revoked_account(scene)
    return await scene.rotate()


async def link_to_the_table(scene: Scene) -> Key:
    return {"params": await scene.link()}


async def link_to_another_file(scene: Scene) -> Key:
    return {"params": await scene.link("files/results/other.txt")}


async def expired_link(scene: Scene) -> Key:
    key = {"params": await scene.link(lifetime_s=1)}
    scene.site.inside.workloads.downloads.links._clock = lambda: time.time_ns() // 1000 + 2 * MICROSECONDS
    return key


async def link_with_a_later_end(scene: Scene) -> Key:
    link = await scene.link()
    return {"params": {**link, "expires": str(int(link["expires"]) + 1)}}


async def link_of_a_rotated_account(scene: Scene) -> Key:
    link = await scene.link()
    await scene.rotate()
    return {"params": link}


async def link_of_a_revoked_account(scene: Scene) -> Key:
    link = await scene.link()
    await revoked_account(scene)
    return {"params": link}


async def link_of_another_workload(scene: Scene) -> Key:
    await scene.site.send(scene.beside["uploads"][0]["url"], b"a")
    await scene.site.run(scene.beside["id"], RESULTS)
    return {"params": await Scene(scene.site, scene.beside, scene.mine, []).link()}


async def no_credentials(_scene: Scene) -> Key:
    return {}


async def another_owners_token(scene: Scene) -> Key:
    return {"headers": {"Authorization": f"Bearer {await scene.site.token_of('eve')}"}}


async def its_owners_token(scene: Scene) -> Key:
    return {"headers": {"Authorization": f"Bearer {scene.site.token}"}}


TABLE: list[tuple[Callable[[Scene], Awaitable[Key]], set[str]]] = [
    (its_account, set(DOWNLOADS)),
    (account_after_rotation, set(DOWNLOADS)),
    (account_rotated_after_it_was_revoked, set(DOWNLOADS)),
    (its_owners_token, set(DOWNLOADS)),
    (anothers_account, set()),
    (revoked_account, set()),
    (rotated_account, set()),
    (link_to_the_table, {FILE}),
    (link_to_another_file, {OTHER}),
    (expired_link, set()),
    (link_with_a_later_end, set()),
    (link_of_a_rotated_account, set()),
    (link_of_a_revoked_account, set()),
    (link_of_another_workload, set()),
    (no_credentials, set()),
    (another_owners_token, set()),
]


@pytest.mark.parametrize(("who", "opens"), TABLE, ids=[who.__name__ for who, _ in TABLE])
async def test_a_download_opens_for_whom_the_table_says(
    scene: Scene, who: Callable[[Scene], Awaitable[Key]], opens: set[str]
) -> None:
    key = await who(scene)
    for path in DOWNLOADS:
        for method in ("GET", "HEAD"):
            answer = await scene.ask(method, f"/download/{scene.id}/{path}", **key)
            if path not in opens:
                assert answer.status_code == 401, (path, method, answer.text)
            else:
                assert answer.status_code == (404 if path == "files/absent" else 200), (path, method, answer.text)


@pytest.mark.parametrize("who", [its_account, no_credentials, revoked_account, link_to_the_table])
async def test_what_opens_downloads_opens_nothing_else(scene: Scene, who: Any) -> None:
    key = await who(scene)
    for method, path in API:
        assert (await scene.ask(method, f"/api/v1/workloads/{scene.id}{path}", **key)).status_code == 401, path
    assert (await scene.ask("GET", "/api/v1/workloads", **key)).status_code == 401
    upload = urlsplit(scene.beside["uploads"][0]["url"]).path
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = await scene.ask(method, upload, **{**key, "headers": {"Tus-Resumable": "1.0.0"}})
        assert answer.status_code == 401, (method, answer.text)


async def test_another_owner_gets_the_answers_of_a_workload_that_is_not_there(scene: Scene) -> None:
    key = await another_owners_token(scene)
    nowhere = new_id()
    for method, path in API:
        more = {"json": {"path": "files/x"}} if path == "/links" else {}
        foreign = await scene.ask(method, f"/api/v1/workloads/{scene.id}{path}", **key, **more)
        missing = await scene.ask(method, f"/api/v1/workloads/{nowhere}{path}", **key, **more)
        assert foreign.status_code == missing.status_code == 404, (path, foreign.text)
        assert foreign.text.replace(scene.id, "") == missing.text.replace(nowhere, "")


async def test_strangers_get_one_answer_and_wait_as_long_wherever_they_knock(scene: Scene) -> None:
    found = {}
    for workload in (scene.id, new_id(), "nonsense"):
        scene.pauses.clear()
        answers = [
            await scene.ask("GET", f"/download/{workload}/{FILE}", **key)
            for key in ({}, account(scene.beside["account"]), {"params": {"expires": "9", "signature": "x"}})
        ]
        found[workload] = [(a.status_code, a.headers["www-authenticate"], a.text) for a in answers]
        assert scene.pauses == pytest.approx([0.5, 1.0, 2.0], abs=0.1)
    first, *others = found.values()
    assert all(other == first for other in others)


async def test_missing_and_foreign_take_as_long(scene: Scene) -> None:
    """By the clock: the work that a look-up costs is hidden in the wait. What else the machine does only adds to it."""

    async def pause(seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))

    scene.site.inside.workloads.downloads.accounts.pause = pause
    took: dict[str, list[float]] = {scene.id: [], new_id(): []}
    for _ in range(15):
        for workload, times in took.items():
            began = time.perf_counter()
            await scene.ask("GET", f"/download/{workload}/{FILE}", auth=("w", "wrong"))
            times.append(time.perf_counter() - began)
    foreign, missing = (min(times) for times in took.values())
    assert abs(foreign - missing) < 0.02, (foreign, missing)


async def test_a_right_secret_never_waits(scene: Scene) -> None:
    for _ in range(4):
        await scene.ask("GET", f"/download/{scene.id}/", auth=("w", "wrong"))
    scene.pauses.clear()
    assert (await scene.ask("GET", f"/download/{scene.id}/", **await its_account(scene))).status_code == 200
    assert scene.pauses == []


async def test_an_operator_rotates_and_revokes_accounts_of_every_owner(scene: Scene) -> None:
    token = await scene.site.inside.access.issue("root", ["admin"])
    key = {"headers": {"Authorization": f"Bearer {token}"}}
    url = f"/api/v1/workloads/{scene.id}"
    made = await scene.ask("POST", f"{url}/account:rotate", **key)
    assert made.headers["cache-control"] == "no-store"
    assert (await scene.ask("GET", f"/download/{scene.id}/", **account(made.json()))).status_code == 200
    assert (await scene.ask("GET", f"{url}/account", **key)).json()["state"] == "active"
    assert (await scene.ask("DELETE", f"{url}/account", **key)).status_code == 204
    assert (await scene.ask("GET", f"{url}/account", **key)).json() == {
        "state": "revoked",
        "name": None,
        "rotated_at": None,
    }
    assert (await scene.ask("GET", f"/download/{scene.id}/", **account(made.json()))).status_code == 401


async def test_without_an_account_no_link_can_be_made(scene: Scene) -> None:
    await revoked_account(scene)
    answer = await scene.site.client.post(f"/api/v1/workloads/{scene.id}/links", json={"path": OTHER})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


async def test_a_link_is_made_for_files_that_are_there_and_for_a_month_at_most(scene: Scene) -> None:
    url = f"/api/v1/workloads/{scene.id}/links"
    assert (await scene.site.client.post(url, json={"path": "files/absent"})).status_code == 404
    assert (await scene.site.client.post(url, json={"path": OTHER, "lifetime_s": 10**7})).status_code == 400


async def test_a_secret_reaches_no_log(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    key = await its_account(scene)
    wrong = (key["auth"][0], key["auth"][1][:-1])
    await scene.ask("GET", f"/download/{scene.id}/", auth=wrong)
    await scene.ask("GET", f"/download/{scene.id}/", params={"expires": "9", "signature": "sosecret"})
    said = "".join(capfd.readouterr())
    assert "refused" in said
    assert scene.id in said
    assert wrong[1] not in said
    assert "sosecret" not in said
