"""A workload from create to removal, over HTTP, with the test as the engine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from penstock.tasks.models import Outcome

FILES = {"a.txt": b"one\ntwo\n", "b.txt": b"three\n"}


async def test_a_workload_goes_from_upload_to_results_by_itself(site: Any) -> None:
    created = await site.submit(FILES, parameters={"width": 40}, name="first")
    body = await site.run(created["id"], {"results/table.tsv": b"n\t3\n", "results/deep/plot.svg": b"<svg/>"})
    assert body["state"] == "SUCCEEDED"
    found = {one["name"]: one for one in body["results"]}
    assert list(found) == ["report.html", "results/deep/plot.svg", "results/table.tsv", "ro-crate-metadata.json"]
    assert found["results/table.tsv"]["sha256"] == hashlib.sha256(b"n\t3\n").hexdigest()


async def test_every_change_of_state_is_an_event_with_a_time(site: Any) -> None:
    created = await site.submit(FILES)
    await site.run(created["id"], {"results/x": b"x"})
    events = (await site.client.get(f"/api/v1/workloads/{created['id']}/events")).json()["events"]
    states = ["UPLOADING", "PREPARING", "QUEUED", "RUNNING", "PACKING", "SUCCEEDED"]
    assert [event["state"] for event in events] == states
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)


async def test_preparing_places_inputs_pipeline_and_configuration(site: Any) -> None:
    created = await site.submit(FILES, parameters={"width": 40})
    await site.until(created["id"], "QUEUED")
    folder = site.workspace / "workloads" / created["id"]
    assert {path.name: path.read_bytes() for path in (folder / "inputs/text").iterdir()} == FILES
    assert (folder / "pipeline/Snakefile").read_text() == "rule all:\n"
    config = json.loads((folder / "work/config.json").read_text())
    virtual = f"/workspace/workloads/{created['id']}/inputs/text"
    assert config["inputs"] == {"text": [f"{virtual}/a.txt", f"{virtual}/b.txt"]}
    assert config["parameters"] == {"width": 40}
    assert config["site"]["cpu_cores"] > 0


async def test_an_acknowledged_workload_leaves_nothing_but_a_tombstone(site: Any) -> None:
    created = await site.submit(FILES)
    body = await site.run(created["id"], {"results/x": b"x"})
    answer = await site.client.post(f"/api/v1/workloads/{created['id']}:acknowledge")
    assert answer.status_code == 204
    gone = await site.until(created["id"], "GONE")
    assert gone["code"] == "gone"
    assert site.traces(created["id"]) == []
    assert list((site.workspace / "incoming").iterdir()) == []
    assert list((site.workspace / "tasks").iterdir()) == []
    again = await site.client.post(f"/api/v1/workloads/{created['id']}:acknowledge")
    assert again.status_code == 204
    assert (await site.client.head(created["uploads"][0]["url"], headers={"Tus-Resumable": "1.0.0"})).status_code == 404
    assert (await site.client.get(body["results"][0]["url"])).status_code == 410


async def test_an_unfinished_workload_cannot_be_acknowledged(site: Any) -> None:
    created = await site.create(FILES)
    answer = await site.client.post(f"/api/v1/workloads/{created['id']}:acknowledge")
    assert answer.status_code == 409
    assert "Cancel it first" in answer.json()["hint"]


async def test_a_workload_is_canceled_while_it_uploads(site: Any) -> None:
    created = await site.create(FILES)
    await site.send(created["uploads"][0]["url"], b"one")
    answer = await site.client.post(f"/api/v1/workloads/{created['id']}:cancel")
    assert answer.status_code == 202
    assert (await site.until(created["id"], "CANCELED"))["reason"] == "Canceled by its owner."
    assert list((site.workspace / "incoming").iterdir()) == []


async def test_a_workload_is_canceled_before_its_head_task_starts(site: Any) -> None:
    created = await site.submit(FILES)
    await site.until(created["id"], "QUEUED")
    await site.client.post(f"/api/v1/workloads/{created['id']}:cancel")
    await site.until(created["id"], "CANCELED")
    assert site.traces(created["id"]) == []


async def test_a_running_workload_is_canceled_once_its_tasks_have_ended(site: Any) -> None:
    created = await site.submit(FILES)
    await site.begin(created["id"])
    await site.until(created["id"], "RUNNING")
    await site.client.post(f"/api/v1/workloads/{created['id']}:cancel")
    assert (await site.until(created["id"], "CANCELING"))["state"] == "CANCELING"
    await site.end(created["id"], Outcome.CANCELED)
    await site.until(created["id"], "CANCELED")
    assert site.traces(created["id"]) == []


async def test_canceling_a_finished_workload_changes_nothing(site: Any) -> None:
    created = await site.submit(FILES)
    await site.run(created["id"], {"results/x": b"x"})
    answer = await site.client.post(f"/api/v1/workloads/{created['id']}:cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "SUCCEEDED")


async def test_a_failed_engine_fails_the_workload_with_its_words_and_logs(site: Any) -> None:
    created = await site.submit(FILES)
    await site.begin(created["id"])
    await site.end(created["id"], Outcome.EXECUTOR_ERROR, "exit code 1", stderr="boom\nerror: a.txt is empty\nbye\n")
    body = await site.until(created["id"], "FAILED")
    assert "error: a.txt is empty" in body["reason"]
    assert [one["name"] for one in body["results"]] == ["logs/engine.txt", "report.html", "ro-crate-metadata.json"]
    text = (await site.client.get(body["results"][0]["url"])).text
    assert "boom" in text


async def test_a_changed_file_fails_the_workload_and_names_both_digests(site: Any) -> None:
    created = await site.create({"a.txt": b"right"})
    await site.send(created["uploads"][0]["url"], b"wrong")
    body = await site.until(created["id"], "FAILED")
    for told in ("a.txt", hashlib.sha256(b"right").hexdigest(), hashlib.sha256(b"wrong").hexdigest()):
        assert told in body["reason"]


async def test_a_workload_of_empty_files_needs_no_upload(site: Any) -> None:
    created = await site.create({"a.txt": b""})
    assert created["state"] == "PREPARING"
    assert (await site.until(created["id"], "QUEUED"))["inputs"][0]["received"] == 0


async def test_a_stranger_sees_no_workload(site: Any) -> None:
    created = await site.create(FILES)
    other = {"Authorization": f"Bearer {await site.token_of('eve')}"}
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", ":cancel"), ("POST", ":acknowledge")):
        url = f"/api/v1/workloads/{created['id']}{path}"
        assert (await site.client.request(method, url, headers=other)).status_code == 404
    listed = await site.client.get("/api/v1/workloads", headers=other)
    assert listed.json() == {"workloads": []}


async def test_a_list_is_newest_first_in_pages_and_by_state(site: Any) -> None:
    made = [(await site.create(FILES))["id"] for _ in range(3)]
    await site.client.post(f"/api/v1/workloads/{made[0]}:cancel")
    await site.until(made[0], "CANCELED")
    first = (await site.client.get("/api/v1/workloads", params={"page_size": 2})).json()
    token = {"page_size": 2, "page_token": first["next_page_token"]}
    second = (await site.client.get("/api/v1/workloads", params=token)).json()
    found = [one["id"] for page in (first, second) for one in page["workloads"]]
    assert found == sorted(made, reverse=True)
    assert "next_page_token" not in second
    waiting = (await site.client.get("/api/v1/workloads", params={"state": "UPLOADING"})).json()
    assert {one["id"] for one in waiting["workloads"]} == set(made[1:])


async def test_wrong_submissions_are_explained_and_leave_nothing(site: Any) -> None:
    good = {"role": "text", "name": "a.txt", "size": 1, "sha256": "0" * 64}
    table: list[tuple[int, str, dict[str, Any]]] = [
        (404, "nope", {"pipeline": "nope", "inputs": [good]}),
        (404, "'9'", {"pipeline": "lines", "version": "9", "inputs": [good]}),
        (400, "text", {"pipeline": "lines", "inputs": []}),
        (400, "reads", {"pipeline": "lines", "inputs": [{**good, "role": "reads"}]}),
        (400, "a.exe", {"pipeline": "lines", "inputs": [{**good, "name": "a.exe"}]}),
        (400, "../a.txt", {"pipeline": "lines", "inputs": [{**good, "name": "../a.txt"}]}),
        (400, "text/a.txt", {"pipeline": "lines", "inputs": [good, good]}),
        (400, "sha256", {"pipeline": "lines", "inputs": [{**good, "sha256": "xyz"}]}),
        (400, "-1", {"pipeline": "lines", "inputs": [{**good, "size": -1}]}),
        (413, "a.txt", {"pipeline": "lines", "inputs": [{**good, "size": 1 << 50}]}),
        (507, "room for", {"pipeline": "lines", "inputs": [{**good, "size": 1 << 40}]}),
        (400, "wide", {"pipeline": "lines", "inputs": [good], "parameters": {"wide": 1}}),
        (400, "width", {"pipeline": "lines", "inputs": [good], "parameters": {"width": "x"}}),
        (400, "200", {"pipeline": "lines", "inputs": [good], "parameters": {"width": 201}}),
        (400, "http", {"pipeline": "lines", "inputs": [{"role": "text", "url": "gopher://example.org/a.txt"}]}),
        (400, "colour", {"pipeline": "lines", "inputs": [good], "colour": "red"}),
        (400, "10001", {"pipeline": "lines", "inputs": [good] * 10_001}),
    ]
    for status, told, body in table:
        answer = await site.client.post("/api/v1/workloads", json=body)
        assert answer.status_code == status, (answer.text, body)
        assert told in answer.text, (told, answer.text)
    assert (await site.client.get("/api/v1/workloads")).json() == {"workloads": []}
    assert list((site.workspace / "workloads").iterdir()) == []


async def test_an_owners_own_file_is_an_input_and_nobody_elses_is(site: Any) -> None:
    data = site.workspace / "owners" / "ada" / "data" / "deep"
    data.mkdir(parents=True)
    (data / "mine.txt").write_bytes(b"mine")
    (data / "link.txt").symlink_to("/etc/hostname")
    (data.parent / "way").symlink_to("/etc")
    (site.workspace / "owners" / "eve" / "data").mkdir(parents=True)
    (site.workspace / "owners" / "eve" / "data" / "hers.txt").write_bytes(b"hers")
    root = "file:///workspace/owners"
    for status, url in (
        (404, f"{root}/ada/data/deep/absent.txt"),
        (400, f"{root}/ada/data/deep/link.txt"),
        (400, f"{root}/ada/data/way/hosts.txt"),
        (400, f"{root}/ada/data/deep/../../../eve/data/hers.txt"),
        (400, f"{root}/eve/data/hers.txt"),
        (400, "file:///etc/a.txt"),
    ):
        body = {"pipeline": "lines", "inputs": [{"role": "text", "url": url}]}
        answer = await site.client.post("/api/v1/workloads", json=body)
        assert answer.status_code == status, (url, answer.text)
    mine = {"role": "text", "url": f"{root}/ada/data/deep/mine.txt"}
    created = (await site.client.post("/api/v1/workloads", json={"pipeline": "lines", "inputs": [mine]})).json()
    await site.until(created["id"], "QUEUED")
    placed = site.workspace / "workloads" / created["id"] / "inputs/text/mine.txt"
    assert placed.samefile(data / "mine.txt")
