"""What outlives a workload, what an owner may have, and what is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

RESULTS = {"results/deep/table.tsv": b"n\t3\n", "results/other.txt": b"x"}


@pytest.fixture
async def done(site: Any) -> str:
    """A workload that has succeeded."""
    created = await site.submit({"a.txt": b"a"})
    await site.run(created["id"], RESULTS)
    return str(created["id"])


async def keep(site: Any, workload: str, name: str | None = None) -> Any:
    return await site.client.post(f"/api/v1/workloads/{workload}:keep", json={"name": name})


async def test_kept_results_outlive_their_workload_and_are_inputs_of_the_next(site: Any, done: str) -> None:
    answer = await keep(site, done, "study")
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["name"], told["files"]) == ("study", 4)  # with its report and where it comes from
    assert told["bytes"] > 5
    await site.client.post(f"/api/v1/workloads/{done}:acknowledge")
    await site.until(done, "GONE")
    assert (site.workspace / "owners/ada/data/study/results/deep/table.tsv").read_bytes() == b"n\t3\n"
    assert [one["name"] for one in (await site.client.get("/api/v1/data")).json()["data"]] == ["study"]
    given = {"role": "text", "url": f"{told['url']}/results/other.txt"}
    again = await site.create({}, inputs=[given])
    await site.until(again["id"], "QUEUED")


async def test_kept_results_are_removed_when_they_are_to_be(site: Any, done: str) -> None:
    await keep(site, done)
    for _ in range(2):
        assert (await site.client.delete(f"/api/v1/data/{done}")).status_code == 204
    assert (await site.client.get("/api/v1/data")).json()["data"] == []


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "/etc", "x" * 201, ""])
async def test_names_that_are_none_are_refused(site: Any, done: str, name: str) -> None:
    answer = await keep(site, done, name)
    assert answer.status_code == (201 if name == "" else 400)
    assert not (site.workspace / "owners/ada/data").exists() or name == ""


async def test_what_is_kept_is_not_written_over(site: Any, done: str) -> None:
    await keep(site, done, "study")
    assert (await keep(site, done, "study")).status_code == 409
    assert [path.name for path in (site.workspace / "owners/ada/data").iterdir()] == ["study"]


async def test_nobody_keeps_or_sees_what_is_anothers(site: Any, done: str) -> None:
    await keep(site, done, "study")
    headers = {"Authorization": f"Bearer {await site.token_of('eve')}"}
    async with httpx.AsyncClient(base_url=site.url, headers=headers) as eve:
        assert (await eve.post(f"/api/v1/workloads/{done}:keep", json={})).status_code == 404
        assert (await eve.get("/api/v1/data")).json()["data"] == []
        await eve.delete("/api/v1/data/study")
    assert (site.workspace / "owners/ada/data/study").is_dir()


async def test_a_workload_without_results_cannot_be_kept(site: Any) -> None:
    created = await site.create({"a.txt": b"a"})
    assert (await keep(site, created["id"])).status_code == 409


async def refused(site: Any, files: dict[str, bytes]) -> str:
    from tests.integration.workloads.conftest import declared

    inputs = [declared(name, content) for name, content in files.items()]
    answer = await site.client.post("/api/v1/workloads", json={"pipeline": "lines", "inputs": inputs})
    assert (answer.status_code, answer.json()["code"]) == (429, "limit-reached"), answer.text
    return str(answer.json()["detail"])


async def test_quotas_are_checked_before_a_byte_is_sent(site: Any) -> None:
    site.inside.settings.quota_workloads = 2
    await site.create({"a.txt": b"a"})
    await site.create({"a.txt": b"a"})
    assert "2 workloads" in await refused(site, {"a.txt": b"a"})
    site.inside.settings.quota_workloads, site.inside.settings.quota_bytes = 0, 100
    assert "want 99 more; 100 are allowed" in await refused(site, {"a.txt": b"a" * 99})
    site.inside.settings.quota_bytes, site.inside.settings.quota_files = 0, 3
    assert "files" in await refused(site, {"a.txt": b"a", "b.txt": b"b"})
    site.inside.settings.quota_files = 4
    await site.create({"a.txt": b"a", "b.txt": b"b"})
    assert list((site.workspace / "incoming").iterdir()) == []


async def test_what_was_removed_counts_no_more(site: Any, done: str) -> None:
    site.inside.settings.quota_workloads = 1
    await refused(site, {"a.txt": b"a"})
    await site.client.post(f"/api/v1/workloads/{done}:acknowledge")
    await site.until(done, "GONE")
    await site.create({"a.txt": b"a"})


async def test_workloads_bytes_and_files_are_in_the_metrics(site: Any, done: str) -> None:
    await site.create({"b.txt": b"12345"})
    text = (await site.client.get("/metrics")).text
    assert 'penstock_workloads{state="SUCCEEDED"} 1.0' in text
    assert 'penstock_workload_bytes{state="UPLOADING"} 5.0' in text
    assert 'penstock_workload_files{state="SUCCEEDED"} 4.0' in text
    assert "penstock_workspace_free_bytes" in text


async def test_a_list_shows_what_each_holds_and_an_operator_sees_all(site: Any, done: str) -> None:
    (one,) = (await site.client.get("/api/v1/workloads")).json()["workloads"]
    assert one["files"] == 4
    assert one["bytes"] > 5
    operator = {"Authorization": f"Bearer {await site.inside.access.issue('root', ['admin'])}"}
    eve = {"Authorization": f"Bearer {await site.token_of('eve')}"}
    async with httpx.AsyncClient(base_url=site.url) as http:

        async def seen(owner: str, headers: dict[str, str]) -> Any:
            return await http.get("/api/v1/workloads", params={"owner": owner}, headers=headers)

        assert [one["id"] for one in (await seen("*", operator)).json()["workloads"]] == [done]
        assert [one["id"] for one in (await seen("ada", operator)).json()["workloads"]] == [done]
        assert (await seen("*", eve)).json()["workloads"] == []
        assert (await seen("ada", eve)).status_code == 403


def test_paths_of_data_are_plain(tmp_path: Path) -> None:
    from penstock.errors import InvalidInput
    from penstock.workloads import keeping
    from penstock.workloads.places import Places

    with pytest.raises(InvalidInput):
        keeping.remove(Places(tmp_path), "ada", "../bob")
