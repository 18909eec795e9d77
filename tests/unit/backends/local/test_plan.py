"""Work → plan, compared whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.agents.protocol import Work
from penstock.backends.attempt.shape import Plan
from penstock.backends.local.plan import build
from penstock.backends.local.site import Shared, Site
from penstock.names import TOOLS_IMAGE

SITE = Site(
    workspace="/srv/workspace",
    notify="/srv/agent/notify",
    bwrap="/usr/bin/bwrap",
    links=(("/bin", "usr/bin"),),
    shared=(
        Shared("/usr", "/usr", folder=True),
        Shared("/etc/alternatives", "/etc/alternatives", folder=True),
        Shared("/etc/mime.types", "/etc/mime.types", folder=False),
    ),
    network=(Shared("/run/real/resolv.conf", "/etc/resolv.conf", folder=False),),
    environment=("/opt/penstock",),
    python="/opt/penstock/bin/python",
    run="/srv/run",
    url="https://penstock.example",
    allowed=("/data",),
)
ATTEMPT = "01hzzzzzzzzzzzzzzzzzzzzzzz-1"
DIRECTORY = "/srv/workspace/tasks/01hzzzzzzzzzzzzzzzzzzzzzzz/1"
URL = "file:///workspace/owners/o/data"


def plan(
    *executors: dict[str, Any],
    site: Site = SITE,
    kind: str = "process",
    terms: dict[str, Any] | None = None,
    **spec: Any,
) -> Plan:
    """The plan of a task; executors are fields besides image and command."""
    given = [{"image": TOOLS_IMAGE, "command": ["run", "me"]} | executor for executor in executors or ({},)]
    work = Work.model_validate(
        {
            "attempt": ATTEMPT, "kind": kind, "owner": "o", "workload": "w1", "token": "t",
            "spec": {"executors": given, **spec}, "terms": terms or {},
        }
    )  # fmt: skip
    return build(work, site, DIRECTORY)


SANDBOX = [
    "/usr/bin/bwrap", "--unshare-user", "--disable-userns", "--uid", "1000", "--gid", "1000",
    "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "penstock", "--die-with-parent",
    "--new-session", "--cap-drop", "ALL", "--clearenv", "--bind", f"{DIRECTORY}/root", "/",
    "--ro-bind", f"{DIRECTORY}/etc", "/etc", "--unshare-net",
    "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc/alternatives", "/etc/alternatives",
    "--ro-bind", "/etc/mime.types", "/etc/mime.types", "--ro-bind", "/opt/penstock", "/opt/penstock",
    "--proc", "/proc", "--dev", "/dev",
]  # fmt: skip
ENVIRONMENT = {
    "PATH": "/opt/penstock/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "TMPDIR": "/tmp",
    "LANG": "C.UTF-8",
}


def test_the_plan_of_a_small_task() -> None:
    expected: dict[str, object] = {
        "attempt": ATTEMPT,
        "notify": "/srv/agent/notify",
        "workspace": "/srv/workspace",
        "sandbox": SANDBOX,
        "etc": [
            {"path": "/alternatives", "type": "DIRECTORY"},
            {"path": "/mime.types", "type": "FILE"},
            {
                "path": "/passwd",
                "type": "FILE",
                "content": "root:x:0:0::/tmp:/bin/sh\npenstock:x:1000:1000::/tmp:/bin/sh\n",
            },
            {"path": "/group", "type": "FILE", "content": "root:x:0:\npenstock:x:1000:\n"},
            {
                "path": "/nsswitch.conf",
                "type": "FILE",
                "content": "passwd: files\ngroup: files\nhosts: files dns\n",
            },
            {"path": "/hosts", "type": "FILE", "content": "127.0.0.1 localhost penstock\n"},
        ],
        "skeleton": [
            *({"path": path, "type": "DIRECTORY"} for path in ("/etc", "/proc", "/dev", "/tmp", "/run")),
            {"path": "/bin", "type": "LINK", "content": "usr/bin"},
            {"path": "/usr", "type": "DIRECTORY"},
            {"path": "/opt/penstock", "type": "DIRECTORY"},
        ],
        "system": [
            "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/proc", "/dev", "/sys", "/boot",
            "/run/penstock", "/run/penstock-token", "/opt/penstock",
        ],
        "folders": [],
        "contents": {},
        "transfers": [],
        "fetch": [],
        "binds": [],
        "executors": [
            {
                "command": ["run", "me"], "workdir": None, "stdin": None, "stdout": None, "stderr": None,
                "env": ENVIRONMENT, "ignore_error": False,
            }
        ],
        "outputs": [],
        "time_limit_s": None,
        "ram_bytes": 1_000_000_000,
        "system_logs": [],
    }  # fmt: skip
    assert dict(plan()) == expected


def test_inputs_of_every_kind() -> None:
    made = plan(
        inputs=[
            {"path": "/in/content", "content": "text", "url": "s3://content/wins", "type": "DIRECTORY"},
            {"path": "/in/file", "url": f"{URL}/f"},
            {"path": "/in/dir/", "url": f"{URL}/d/", "type": "DIRECTORY"},
            {"path": "/in/allowed", "url": "file:///data/x"},
            {"path": "/in/remote", "url": "https://example.org/x"},
        ]
    )
    own = {"kind": "own", "within": "", "writable": False, "type": "FILE"}
    workspace = own | {"kind": "workspace"}
    assert made["binds"] == [
        own | {"path": "/in/content", "source": "inputs/0", "label": "/in/content"},
        workspace | {"path": "/in/file", "source": "/workspace/owners/o/data/f", "label": f"{URL}/f"},
        workspace
        | {"path": "/in/dir", "source": "/workspace/owners/o/data/d", "label": f"{URL}/d/", "type": "DIRECTORY"},
        own
        | {"path": "/in/allowed", "kind": "path", "source": "/data/x", "within": "/data", "label": "file:///data/x"},
        own | {"path": "/in/remote", "source": "inputs/4", "label": "https://example.org/x"},
    ]
    assert made["contents"] == {"inputs/0": "text"}
    assert made["transfers"] == [{"url": "https://example.org/x", "target": "inputs/4", "type": "FILE"}]
    assert made["fetch"] == [
        "/opt/penstock/bin/python",
        "-I",
        "-m",
        "penstock.staging",
        "fetch",
        "--limit",
        "21600",
        "--largest",
        str(1 << 40),
    ]


def test_outputs_and_the_folders_they_need() -> None:
    made = plan(
        volumes=["/vol/"],
        outputs=[
            {"path": "/o/file", "url": f"{URL}/f"},
            {"path": "/d", "url": f"{URL}/d", "type": "DIRECTORY"},
            {"path": "/w/*/x", "path_prefix": "/w", "url": f"{URL}/w"},
            {"path": "/top", "path_prefix": "/not/used", "url": f"{URL}/t"},
        ],
    )
    assert made["folders"] == ["/vol", "/o", "/d", "/w"]
    assert made["outputs"] == [
        {"path": "/o/file", "url": f"{URL}/f", "prefix": None, "type": "FILE"},
        {"path": "/d", "url": f"{URL}/d", "prefix": None, "type": "DIRECTORY"},
        {"path": "/w/*/x", "url": f"{URL}/w", "prefix": "/w", "type": "FILE"},
        {"path": "/top", "url": f"{URL}/t", "prefix": None, "type": "FILE"},
    ]


def test_an_executor_whole() -> None:
    made = plan(
        {
            "workdir": "/w/", "stdin": "/i", "stdout": "/o", "stderr": "/e", "env": {"LANG": "C", "A": "b"},
            "ignore_error": True, "command": ["a", "b c"],
        },
        terms={"time_limit_s": 7, "ram_gb": 2.5},
    )  # fmt: skip
    assert made["executors"] == [
        {
            "command": ["a", "b c"], "workdir": "/w", "stdin": "/i", "stdout": "/o", "stderr": "/e",
            "env": {**ENVIRONMENT, "LANG": "C", "A": "b"}, "ignore_error": True,
        }
    ]  # fmt: skip
    assert (made["time_limit_s"], made["ram_bytes"]) == (7, 2_500_000_000)


def test_egress_shares_the_network_and_its_configuration() -> None:
    made = plan(terms={"network": "egress"})
    assert "--unshare-net" not in made["sandbox"]
    assert {"path": "/resolv.conf", "type": "FILE"} in made["etc"]
    assert not any(point["path"] == "/hosts" for point in made["etc"])


def test_a_head_task_gets_socket_token_and_mounts() -> None:
    work = "file:///workspace/workloads/w1/work"
    made = plan(kind="head", terms={"mounts": [{"url": work, "path": "/workspace/workloads/w1/work"}]})
    assert made["executors"][0]["env"] == {
        **ENVIRONMENT,
        "PENSTOCK_SOCKET": "/run/penstock/api.sock",
        "PENSTOCK_URL": "http://penstock",
        "PENSTOCK_TOKEN_FILE": "/run/penstock-token/token",
        "PENSTOCK_WORKLOAD": "w1",
        "PENSTOCK_STATE": "/tmp/penstock",
    }
    assert made["binds"] == [
        {
            "path": "/workspace/workloads/w1/work", "type": "DIRECTORY", "kind": "workspace",
            "source": "/workspace/workloads/w1/work", "within": "", "writable": True, "label": work,
        }
    ]  # fmt: skip
    words = " ".join(made["sandbox"])
    assert f"--ro-bind {DIRECTORY}/token /run/penstock-token/token --ro-bind /srv/run /run/penstock" in words
    assert "--unshare-net" in made["sandbox"]


def test_a_head_task_far_from_the_server_uses_the_network() -> None:
    made = plan(kind="head", site=replace(SITE, run=None, ca_file="/srv/ca.pem"))
    environment = made["executors"][0]["env"]
    assert environment["PENSTOCK_URL"] == "https://penstock.example"
    assert environment["PENSTOCK_CA_FILE"] == "/run/penstock-token/ca.pem"
    assert "PENSTOCK_SOCKET" not in environment
    assert "--unshare-net" not in made["sandbox"]


def test_a_process_gets_nothing_of_that() -> None:
    made = plan(terms={"mounts": [{"url": URL, "path": "/m"}]})
    assert made["binds"] == []
    assert "/run/penstock" not in " ".join(made["sandbox"])


def test_another_image_sees_no_python_environment() -> None:
    made = plan({"image": "ubuntu"})
    assert "/opt/penstock" not in " ".join(made["sandbox"])
    assert made["executors"][0]["env"]["PATH"].startswith("/usr/local/sbin:")
    assert made["system_logs"] == [
        "warning: the image 'ubuntu' was not used; the programs of this machine were.",
    ]


def test_a_memory_volume_is_memory_for_one_executor_only() -> None:
    one = plan(terms={"memory_volumes": ["/fast"]})
    assert "--size 1000000000 --tmpfs /fast" in " ".join(one["sandbox"])
    several = plan({}, {}, terms={"memory_volumes": ["/fast"]})
    needed = plan(terms={"memory_volumes": ["/fast"]}, outputs=[{"path": "/fast/x", "url": f"{URL}/x"}])
    for made in (several, needed):
        assert "--tmpfs" not in made["sandbox"]
        assert "/fast" in made["folders"]
        assert made["system_logs"] == ["warning: the memory volume /fast lies on disk."]


def test_folders_of_the_task_may_lie_above_the_environment() -> None:
    assert plan(volumes=["/opt"])["folders"] == ["/opt"]
