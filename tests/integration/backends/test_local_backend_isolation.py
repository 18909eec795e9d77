"""What a sandbox cannot see, reach or leave behind."""

from __future__ import annotations

import http.server
import socket
import threading
from pathlib import Path

import pytest
from tests.integration.backends.conftest import Bench

from penstock.agents.protocol import Report
from penstock.tasks.models import Kind, Mount, Outcome


def said(report: Report) -> str:
    """What the first executor wrote."""
    assert report.log.executors, report.reason
    return report.log.executors[0].stdout + report.log.executors[0].stderr


async def test_only_what_is_declared_is_visible(bench: Bench) -> None:
    url = bench.put("owners/someone/data/mine", "mine")
    bench.put("owners/someone/data/other", "secret")
    inputs = [{"path": "/workspace/owners/someone/data/mine", "url": url}]
    report = await bench.run("find /workspace -type f; ls /", inputs=inputs)
    found, _, top = said(report).partition("\n")
    assert found == "/workspace/owners/someone/data/mine"
    assert {"root", "home", "var", "opt", "srv", "mnt", "sys"}.isdisjoint(top.split())


async def test_files_of_this_machine_do_not_exist(bench: Bench) -> None:
    report = await bench.run(f"cat /etc/shadow; ls /root; ls /home; ls {bench.settings.data}; true")
    assert said(report).count("No such file or directory") == 4


async def test_the_sandbox_has_its_own_processes(bench: Bench) -> None:
    report = await bench.run("ls /proc | grep -c '^[0-9]'")
    assert int(said(report)) < 8


async def test_system_directories_and_inputs_are_read_only(bench: Bench) -> None:
    url = bench.put("owners/someone/data/x", "unchanged")
    report = await bench.run(
        "touch /usr/x; touch /etc/x; echo y >/in/x; rm /in/x; true", inputs=[{"path": "/in/x", "url": url}]
    )
    assert said(report).count("Read-only file system") == 3
    assert (bench.workspace / "owners/someone/data/x").read_text() == "unchanged"


async def test_there_is_no_network_unless_asked_for(bench: Bench) -> None:
    report = await bench.run("ls /sys/class/net 2>/dev/null; cat /proc/net/dev | tail -n +3 | cut -d: -f1")
    assert said(report).split() == ["lo"]


async def test_egress_gives_the_network(bench: Bench) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        script = f"import urllib.request as u; print(u.urlopen('http://127.0.0.1:{server.server_port}').status)"
        closed = await bench.run(["python3", "-c", script])
        opened = await bench.run(["python3", "-c", script], terms={"network": "egress"})
        server.shutdown()
    assert closed.log.executors[0].exit_code == 1
    assert said(opened) == "204\n"


async def test_the_user_is_not_root_and_has_no_capabilities(bench: Bench) -> None:
    report = await bench.run("id -u; grep CapEff /proc/self/status; unshare -U true || echo no")
    assert said(report).startswith("1000\nCapEff:\t0000000000000000\n")
    assert said(report).endswith("no\n") or "unshare failed" in said(report)


async def test_root_inside_has_no_power_outside(bench: Bench) -> None:
    report = await bench.run("id -u; grep CapEff /proc/self/status", terms={"allow_root": True})
    assert said(report) == "0\nCapEff:\t0000000000000000\n"


async def test_no_descriptor_of_the_runner_leaks_in(bench: Bench) -> None:
    url = bench.put("owners/someone/data/x", "x")
    report = await bench.run("ls /proc/self/fd", inputs=[{"path": "/in/x", "url": url}])
    assert said(report).split() == ["0", "1", "2", "3"]  # 3 is that of ls itself


@pytest.mark.parametrize("path", ["/usr/local/data", "/etc/x", "/proc/x", "/dev/shm/x", "/lib/x", "/run/penstock/x"])
async def test_paths_of_the_system_are_refused_by_name(bench: Bench, path: str) -> None:
    report = await bench.run("true", inputs=[{"path": path, "content": "x"}])
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert path in report.reason


async def test_a_task_cannot_smuggle_options_to_bubblewrap(bench: Bench) -> None:
    for executor in ({"env": {"X": "a\0--bind\0/\0/host"}}, {"env": {"X=Y": "1"}}, {"workdir": "/x\0y"}):
        report = await bench.run("true", executor=executor)
        assert report.outcome is Outcome.SYSTEM_ERROR
        assert report.log.executors == []


async def test_a_process_has_no_mounts_and_no_socket(bench: Bench) -> None:
    bench.settings.run_path.mkdir()
    mounts = [Mount(url="file:///workspace/workloads/w1/work", path="/w")]
    report = await bench.run("ls /w /run/penstock; env | grep ^PENSTOCK; true", terms={"mounts": mounts})
    assert said(report).count("No such file") == 2
    assert "PENSTOCK_" not in said(report)


async def test_a_head_task_reaches_the_server_by_its_socket_only(bench: Bench) -> None:
    bench.settings.run_path.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        name = bench.settings.run_path / "api.sock"
        listener.bind(str(name) if len(str(name)) < 100 else f"/proc/self/cwd/{name}")
        listener.listen()
        script = (
            "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['PENSTOCK_SOCKET'])\n"
            "print('connected', open(os.environ['PENSTOCK_TOKEN_FILE']).read(), os.environ['PENSTOCK_WORKLOAD'])"
        )
        report = await bench.run(["python3", "-c", script], kind=Kind.HEAD)
    assert said(report) == "connected secret-token w1\n"


async def test_a_head_task_writes_to_its_live_mounts(bench: Bench) -> None:
    bench.put("workloads/w1/work/config.json", "{}")
    url = "file:///workspace/workloads/w1/work"
    report = await bench.run(
        "ls /workspace/workloads/w1/work; echo new >/workspace/workloads/w1/work/sub.txt",
        kind=Kind.HEAD,
        terms={"mounts": [Mount(url=url, path="/workspace/workloads/w1/work")]},
        executor={"workdir": "/workspace/workloads/w1/work"},
        outputs=[{"path": "/workspace/workloads/w1/work/sub.txt", "url": f"{url}/sub.txt"}],
    )
    assert (bench.workspace / "workloads/w1/work/sub.txt").read_text() == "new\n"
    assert [(output.source, output.size_bytes) for output in report.log.outputs] == [(None, 4)]


async def test_without_a_socket_a_head_task_uses_the_agents_address(bench: Bench) -> None:
    report = await bench.run("echo $PENSTOCK_URL; cat $PENSTOCK_TOKEN_FILE", kind=Kind.HEAD)
    assert said(report) == f"{bench.settings.url}\nsecret-token"


async def test_the_tools_image_has_python_with_penstock_and_snakemake(bench: Bench) -> None:
    report = await bench.run("python -c 'import penstock, matplotlib' && snakemake --version && samtools --version")
    assert report.outcome is Outcome.COMPLETE
    assert "samtools 1." in said(report)


async def test_foreign_images_are_refused_where_the_site_says_so(tmp_path: Path, bench: Bench) -> None:
    bench.settings.foreign_images = "refuse"
    await bench.backend.close()
    bench.open()
    report = await bench.run("true", executor={"image": "ubuntu:24.04"})
    assert report.outcome is Outcome.SYSTEM_ERROR
    assert report.reason == "The image 'ubuntu:24.04' does not exist here; this site has 'penstock/tools:1'."
