"""Downloads: who gets in, and what they get."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import zstandard

from penstock.names import new_id
from penstock.settings import Settings
from penstock.tasks.models import Outcome

RESULTS = {"results/a table.tsv": b"n\t3\n" * 1000, "results/<b>.txt": b"hostile name"}
TOLD = ("report.html", "ro-crate-metadata.json")


class Finished:
    """A workload with results, and another one of the same owner."""

    def __init__(self, site: Any, mine: dict[str, Any], other: dict[str, Any]) -> None:
        self.site = site
        self.id = mine["id"]
        self.account = (mine["account"]["name"], mine["account"]["secret"])
        self.other = (other["account"]["name"], other["account"]["secret"])

    async def get(self, path: str = "", **more: Any) -> httpx.Response:
        """GET without the owner's token, unless ``headers`` says so."""
        async with httpx.AsyncClient(base_url=self.site.url) as stranger:
            return await stranger.get(f"/download/{self.id}/{path}", **more)


@pytest.fixture
async def finished(site: Any) -> Finished:
    """A workload that has succeeded."""
    site.inside.workloads.downloads.accounts.pause = no_pause
    mine, other = await site.submit({"a.txt": b"a"}), await site.create({"a.txt": b"a"})
    await site.run(mine["id"], RESULTS)
    return Finished(site, mine, other)


async def no_pause(_seconds: float) -> None:
    return None


async def test_only_the_workloads_account_and_its_owner_get_in(finished: Any) -> None:
    site = finished.site
    eve = {"Authorization": f"Bearer {await site.token_of('eve')}"}
    scopeless = {"Authorization": f"Bearer {await site.inside.access.issue('ada', ['tasks'])}"}
    name, secret = finished.account
    table: list[tuple[int, dict[str, Any]]] = [
        (200, {"auth": finished.account}),
        (200, {"headers": {"Authorization": f"Bearer {site.token}"}}),
        (200, {"auth": ("anybody", site.token)}),
        (401, {}),
        (401, {"auth": finished.other}),
        (401, {"auth": (name, "wrong")}),
        (401, {"auth": (name, "")}),
        (401, {"auth": ("wrong", secret)}),
        (401, {"headers": eve}),
        (401, {"headers": scopeless}),
        (401, {"headers": {"Authorization": "Bearer pst_x_y"}}),
        (401, {"headers": {"Authorization": "Basic not-base64"}}),
        (401, {"headers": {"Authorization": "Digest x"}}),
    ]
    for path in ("", "manifest.sha256", "results.tar.zst", "files/results/a table.tsv"):
        for status, credentials in table:
            assert (await finished.get(path, **credentials)).status_code == status, (path, credentials)


async def test_a_wrong_secret_and_an_unknown_workload_look_alike(finished: Any) -> None:
    wrong = await finished.get(auth=(finished.account[0], "wrong"))
    known = finished.id
    for unknown in (new_id(), "nonsense"):
        finished.id = unknown
        answer = await finished.get(auth=finished.account)
        assert (answer.status_code, answer.content) == (wrong.status_code, wrong.content)
        assert answer.headers["www-authenticate"] == wrong.headers["www-authenticate"]
        assert answer.headers["www-authenticate"].startswith("Basic ")
    finished.id = known


async def test_a_wrong_secret_waits_for_its_answer(finished: Any) -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    finished.site.inside.workloads.downloads.accounts.pause = pause
    await finished.get(auth=(finished.account[0], "wrong"))
    await finished.get(auth=finished.account)
    assert waited == [pytest.approx(0.5, abs=0.1)]


async def test_an_account_dies_with_the_acknowledgement(finished: Any) -> None:
    assert (await finished.get(auth=finished.account)).status_code == 200
    await finished.site.client.post(f"/api/v1/workloads/{finished.id}:acknowledge")
    assert (await finished.get(auth=finished.account)).status_code == 401


async def test_the_archive_holds_the_files_and_a_manifest_that_fits(finished: Any) -> None:
    packed = (await finished.get("results.tar.zst", auth=finished.account)).content
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        held = {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]
    manifest = (await finished.get("manifest.sha256", auth=finished.account)).text
    assert held.pop("manifest.sha256").decode() == manifest
    for name in TOLD:
        assert held[name] == (await finished.get(f"files/{name}", auth=finished.account)).content
    assert {name: held[name] for name in held if name not in TOLD} == RESULTS
    lines = dict(reversed(line.split("  ", 1)) for line in manifest.splitlines())
    assert lines == {name: hashlib.sha256(content).hexdigest() for name, content in held.items()}


async def test_report_and_crate_tell_of_the_results(finished: Any) -> None:
    page = await finished.get("files/report.html", auth=finished.account)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert "results/&lt;b&gt;.txt" in page.text
    crate = (await finished.get("files/ro-crate-metadata.json", auth=finished.account)).json()
    told = {entity["@id"]: entity for entity in crate["@graph"]}
    digest = hashlib.sha256(RESULTS["results/a table.tsv"]).hexdigest()
    assert told["results/a%20table.tsv"]["sha256"] == digest
    assert told["report.html"]["sha256"] == hashlib.sha256(page.content).hexdigest()
    assert told["#input/text/a.txt"]["sha256"] == hashlib.sha256(b"a").hexdigest()
    assert (await finished.get(auth=finished.account, headers={"Accept": "text/html"})).text.count(">Report<") == 1


async def test_a_file_comes_in_ranges_and_says_its_digest(finished: Any) -> None:
    content = RESULTS["results/a table.tsv"]
    path = "files/results/a%20table.tsv"
    whole = await finished.get(path, auth=finished.account)
    assert (whole.content, whole.headers["accept-ranges"]) == (content, "bytes")
    tag = whole.headers["etag"]
    assert tag == f'"{hashlib.sha256(content).hexdigest()}"'
    part = await finished.get(path, auth=finished.account, headers={"Range": "bytes=10-19", "If-Range": tag})
    assert (part.status_code, part.content) == (206, content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(content)}"
    changed = await finished.get(path, auth=finished.account, headers={"Range": "bytes=10-", "If-Range": '"old"'})
    assert (changed.status_code, changed.content) == (200, content)
    beyond = await finished.get(path, auth=finished.account, headers={"Range": "bytes=99999-"})
    assert beyond.status_code == 416


async def test_head_tells_the_size_and_sends_nothing(finished: Any) -> None:
    url = f"/download/{finished.id}/results.tar.zst"
    answer = await finished.site.client.head(url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len((await finished.site.client.get(url)).content)


async def test_paths_outside_of_the_results_do_not_exist(finished: Any) -> None:
    for path in ("files/absent", "files/../manifest.sha256x", "files/%2e%2e/%2e%2e/x", "files//etc/passwd", "files"):
        assert (await finished.get(path, auth=finished.account)).status_code == 404, path


async def test_a_browser_gets_a_page_with_escaped_names_that_runs_nothing(finished: Any) -> None:
    page = await finished.get(auth=finished.account, headers={"Accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert "sandbox" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "results/&lt;b&gt;.txt" in page.text
    assert "<b>" not in page.text
    assert 'href="files/results/a%20table.tsv"' in page.text


async def test_a_program_gets_the_list_as_json(finished: Any) -> None:
    listed = (await finished.get(auth=finished.account, headers={"Accept": "application/json"})).json()
    assert listed["state"] == "SUCCEEDED"
    found = {one["name"]: one for one in listed["results"]}
    assert found.keys() == {*RESULTS, *TOLD}
    for name, content in RESULTS.items():
        one = found[name]
        assert one["size"] == len(content)
        assert (await finished.get(one["url"], auth=finished.account)).content == content


async def test_there_is_nothing_to_download_before_the_end(site: Any) -> None:
    created = await site.create({"a.txt": b"a"})
    answer = await site.client.get(f"/download/{created['id']}/results.tar.zst")
    assert answer.status_code == 409
    assert "UPLOADING" in answer.text
    page = await site.client.get(f"/download/{created['id']}/", headers={"Accept": "text/html"})
    assert "no results yet" in page.text


async def test_an_attempts_token_opens_no_download(site: Any) -> None:
    site.inside.workloads.downloads.accounts.pause = no_pause
    created = await site.submit({"a.txt": b"a"})
    await site.begin(created["id"])
    token = site.inside.access.attempt_token(site.attempts[created["id"]])
    async with httpx.AsyncClient(base_url=site.url) as head:
        answer = await head.get(f"/download/{created['id']}/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    await site.end(created["id"], Outcome.COMPLETE)
    await site.until(created["id"], "SUCCEEDED")


class TestByNginx:
    """With ``sendfile=nginx`` the application decides, and NGINX sends."""

    @pytest.fixture
    def settings(self, tmp_path: Path, catalogue: Path) -> Settings:
        return Settings(data=tmp_path / "data", catalogue=[catalogue], sendfile="nginx")

    async def test_the_answer_names_the_file_and_holds_no_byte_of_it(self, finished: Any) -> None:
        answer = await finished.get("files/results/a%20table.tsv", auth=finished.account)
        assert answer.content == b""
        wanted = f"/internal/results/ada/{finished.id}/files/results/a%20table.tsv"
        assert answer.headers["x-accel-redirect"] == wanted

    async def test_a_stranger_gets_no_name(self, finished: Any) -> None:
        answer = await finished.get("files/results/a%20table.tsv")
        assert answer.status_code == 401
        assert "x-accel-redirect" not in answer.headers
