"""TES tasks end to end whose files come from, and go to, other places."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import RunningServer
from tests.integration.conftest import Tes
from tests.integration.transfers.conftest import FTP_PASSWORD, FTP_USER, Ftp
from tests.integration.transfers.gateway import ACCESS, SECRET, Gateway
from tests.waiting import until

from penstock.client.credentials import Credentials
from penstock.errors import InvalidInput, NotFound

VALUES = {"access_key_id": ACCESS, "secret_access_key": SECRET}


def opened(gateway: Gateway, credentials: Credentials, bucket: str, **other: str) -> Path:
    """A bucket that the owner has credentials for."""
    what = {"scheme": "s3", "bucket": bucket, "endpoint": gateway.url, **other}
    credentials.set(f"for-{bucket}", what, VALUES)
    return gateway.bucket(bucket)


def files(folder: Path) -> dict[str, str]:
    """What a bucket holds."""
    found = [one for one in folder.rglob("*") if one.is_file() and ".sgwtmp" not in one.parts]
    return {str(one.relative_to(folder)): one.read_text() for one in found}


def test_inputs_and_outputs_of_every_kind(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    bucket = opened(gateway, credentials, "kinds")
    (bucket / "in" / "sub").mkdir(parents=True)
    (bucket / "in" / "a").write_text("1")
    (bucket / "in" / "sub" / "b").write_text("2")
    done = tasks.run(
        "cat /in/file /in/dir/a /in/dir/sub/b > /out/one; mkdir -p /out/d/e; echo x > /out/d/e/f; echo y > /out/1.txt",
        inputs=[
            {"path": "/in/file", "url": "s3://kinds/in/a"},
            {"path": "/in/dir", "url": "s3://kinds/in/", "type": "DIRECTORY"},
        ],
        outputs=[
            {"path": "/out/one", "url": "s3://kinds/out/one"},
            {"path": "/out/d", "url": "s3://kinds/out/d", "type": "DIRECTORY"},
            {"path": "/out/*.txt", "path_prefix": "/out", "url": "s3://kinds/out/wild"},
        ],
    )
    assert done["state"] == "COMPLETE", done
    assert {name: text for name, text in files(bucket).items() if name.startswith("out")} == {
        "out/one": "112", "out/d/e/f": "x\n", "out/wild/1.txt": "y\n",
    }  # fmt: skip
    logged = {one["url"]: one["size_bytes"] for one in done["logs"][-1]["outputs"]}
    assert logged == {"s3://kinds/out/one": "3", "s3://kinds/out/d/e/f": "2", "s3://kinds/out/wild/1.txt": "2"}
    digest = hashlib.sha256(b"1").hexdigest()
    assert f"fetched s3://kinds/in/a: 1 bytes, sha256 {digest}" in done["logs"][-1]["system_logs"]


def test_outputs_are_sent_after_a_failure_too(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    bucket = opened(gateway, credentials, "failed")
    done = tasks.run("echo why > /out/log; exit 3", outputs=[{"path": "/out/log", "url": "s3://failed/log"}])
    assert done["state"] == "EXECUTOR_ERROR"
    assert files(bucket) == {"log": "why\n"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ([{"path": "/in", "url": "s3://faults/none"}], [], "s3://faults/none cannot be fetched: it does not exist"),
        ([], [{"path": "/out/x", "url": "s3://nobucket/x"}], "s3://nobucket/x cannot be sent"),
    ],
)
def test_what_cannot_be_is_a_system_error_that_names_the_url(
    gateway: Gateway, credentials: Credentials, tasks: Tes, inputs: list[Any], outputs: list[Any], said: str
) -> None:
    opened(gateway, credentials, "faults")
    credentials.set("nobucket", {"scheme": "s3", "bucket": "nobucket", "endpoint": gateway.url}, VALUES)
    done = tasks.run("echo 1 > /out/x || true", inputs=inputs, outputs=outputs)
    assert done["state"] == "SYSTEM_ERROR"
    assert said in done["logs"][-1]["system_logs"][-1]


def test_wrong_credentials_are_a_system_error_without_them(
    gateway: Gateway, credentials: Credentials, tasks: Tes
) -> None:
    (opened(gateway, credentials, "wrong") / "x").write_text("1")
    wrong = {"access_key_id": ACCESS, "secret_access_key": "another-secret"}
    credentials.set("for-wrong", {"scheme": "s3", "bucket": "wrong", "endpoint": gateway.url}, wrong)
    done = tasks.run("true", inputs=[{"path": "/in", "url": "s3://wrong/x"}])
    assert done["state"] == "SYSTEM_ERROR"
    assert "access is denied with the credentials 'for-wrong'" in json.dumps(done)
    assert "another-secret" not in json.dumps(done)


def test_new_values_are_used_by_what_starts_next(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    (opened(gateway, credentials, "rotated") / "x").write_text("1")
    what = {"scheme": "s3", "bucket": "rotated", "endpoint": gateway.url}
    credentials.set("for-rotated", what, {"access_key_id": ACCESS, "secret_access_key": "old"})
    assert tasks.run("true", inputs=[{"path": "/in", "url": "s3://rotated/x"}])["state"] == "SYSTEM_ERROR"
    credentials.set("for-rotated", what, VALUES)
    assert tasks.run("true", inputs=[{"path": "/in", "url": "s3://rotated/x"}])["state"] == "COMPLETE"


def test_a_task_may_name_the_credentials_it_uses(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    (opened(gateway, credentials, "named") / "x").write_text("1")
    what = {"scheme": "s3", "bucket": "named", "endpoint": gateway.url}
    credentials.set("another", what, {"access_key_id": "x", "secret_access_key": "x"})
    inputs = [{"path": "/in", "url": "s3://named/x"}]
    wanted = {"backend_parameters": {"credentials": "for-named"}}
    assert tasks.run("true", inputs=inputs, resources=wanted)["state"] == "COMPLETE"
    assert tasks.run("true", inputs=inputs)["state"] == "SYSTEM_ERROR"  # the first by name
    body = {
        "executors": [{"image": "i", "command": ["true"]}],
        "resources": {"backend_parameters": {"credentials": "no"}},
    }
    refused = tasks.http.post("/tasks", json=body)
    assert (refused.status_code, "'no'" in refused.json()["msg"]) == (400, True)


def test_secrets_are_nowhere_but_in_the_transfer(
    gateway: Gateway, credentials: Credentials, tasks: Tes, open_server: RunningServer
) -> None:
    (opened(gateway, credentials, "hidden") / "x").write_text("1")
    files: dict[str, Any] = {
        "inputs": [{"path": "/in", "url": "s3://hidden/x"}],
        "outputs": [{"path": "/out/x", "url": "s3://hidden/y"}],
    }
    running = tasks.shell("sleep 100", **files)
    tasks.wait(running, {"RUNNING"})
    [folder] = (open_server.data / "workspace" / "tasks" / running).iterdir()
    assert not (folder / "storage.json").exists()
    tasks.cancel(running)
    look = "env; cat /proc/*/environ /proc/*/cmdline; find / -name 'storage.j*'; cp /in /out/x"
    done = tasks.run(look, **files)
    assert done["state"] == "COMPLETE"
    assert SECRET not in json.dumps(done)
    assert SECRET not in open_server.log()
    assert "storage.json" not in json.dumps(done["logs"])
    for file in open_server.data.glob("penstock.db*"):
        assert SECRET.encode() not in file.read_bytes()
    until(lambda: not any((open_server.data / "workspace" / "outgoing").iterdir()), what="nothing is left")


def test_a_large_file_goes_both_ways(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    body = os.urandom(1 << 20) * 70
    (opened(gateway, credentials, "large") / "in").write_bytes(body)
    done = tasks.wait(
        tasks.shell(
            "cp /in /out/x",
            inputs=[{"path": "/in", "url": "s3://large/in"}],
            outputs=[{"path": "/out/x", "url": "s3://large/out"}],
        ),
        seconds=120,
    )
    assert done["state"] == "COMPLETE"
    assert (gateway.bucket("large") / "out").read_bytes() == body


def test_ftp_with_and_without_a_password(ftp: Ftp, credentials: Credentials, tasks: Tes) -> None:
    (ftp.root / "d" / "e").mkdir(parents=True)
    (ftp.root / "d" / "e" / "x").write_text("1")
    (ftp.root / "d" / "y").write_text("2")
    inputs = [
        {"path": "/in/file", "url": ftp.url("d/y")},
        {"path": "/in/dir", "url": ftp.url("d"), "type": "DIRECTORY"},
    ]
    outputs = [{"path": "/out/all", "url": ftp.url("new/folder/all")}]
    assert tasks.run("cat /in/file /in/dir/e/x", inputs=inputs)["state"] == "COMPLETE"
    denied = tasks.run("cat /in/file /in/dir/e/x > /out/all", inputs=inputs, outputs=outputs)
    assert (denied["state"], "cannot be sent" in json.dumps(denied)) == ("SYSTEM_ERROR", True)
    what = {"scheme": "ftp", "bucket": ftp.place}
    credentials.set("ftp", what, {"username": FTP_USER, "password": FTP_PASSWORD})
    done = tasks.run("cat /in/file /in/dir/e/x > /out/all", inputs=inputs, outputs=outputs)
    assert done["state"] == "COMPLETE", done
    assert (ftp.root / "new" / "folder" / "all").read_text() == "21"
    assert sorted(one.name for one in (ftp.root / "new" / "folder").iterdir()) == ["all"]
    assert FTP_PASSWORD not in json.dumps(done)


def test_a_wrong_ftp_password_is_final(ftp: Ftp, credentials: Credentials, tasks: Tes) -> None:
    (ftp.root / "x").write_text("1")
    credentials.set("ftp", {"scheme": "ftp", "bucket": ftp.place}, {"username": FTP_USER, "password": "wrong-word"})
    done = tasks.run("true", inputs=[{"path": "/in", "url": ftp.url("x")}])
    assert done["state"] == "SYSTEM_ERROR"
    assert "wrong-word" not in json.dumps(done)


def test_credentials_in_a_url_are_refused_at_once(tasks: Tes) -> None:
    for url in ("ftp://me:word@example.org/x", "https://me:word@example.org/x"):
        body = {"executors": [{"image": "i", "command": ["true"]}], "inputs": [{"path": "/in", "url": url}]}
        refused = tasks.http.post("/tasks", json=body)
        assert refused.status_code == 400
        assert "word@" not in refused.text


def test_service_info_names_what_can_be_reached(tasks: Tes) -> None:
    told = tasks.http.get("/service-info").json()["storage"]
    assert {"file:///workspace/", "http", "https", "ftp", "s3"} <= set(told)


def test_values_never_come_out(gateway: Gateway, credentials: Credentials, tasks: Tes) -> None:
    opened(gateway, credentials, "kept")
    answer = tasks.http.get(str(tasks.http.base_url.copy_with(path="/api/v1/credentials")))
    assert answer.status_code == 200
    assert SECRET not in answer.text
    with pytest.raises(InvalidInput, match="secret_access_key missing"):
        credentials.set("part", {"scheme": "s3", "bucket": "b"}, {"access_key_id": ACCESS})
    with pytest.raises(NotFound):
        credentials.remove("never")
