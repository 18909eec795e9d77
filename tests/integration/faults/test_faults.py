"""Agents that are cut off, servers that are away: nothing is run again that still runs, nothing counts twice.

`make test` scales the times down with the lease; `make soak` has leases of 30 s and an outage of two minutes.
"""

from __future__ import annotations

import signal

from tests.integration.faults.conftest import LEASE_S, SOAK, Field

from penstock.clock import Deadline

DATA = "file:///workspace/owners/local/data"
OUTAGE_S = 120.0 if SOAK else 2 * LEASE_S


def test_an_agent_that_was_cut_off_cannot_finish_publish_or_leave_running_what_was_taken_over(ground: Field) -> None:
    first, tes, mark = ground.agent("first"), ground.tes, "31.4159"
    script = f"test -e /in/go || sleep {mark}; echo published > /out"
    task = ground.shell(script, outputs=[{"url": f"{DATA}/out", "path": "/out"}], volumes=["/in"])
    ground.until(lambda: ground.running(mark) == 1, 15)
    first.signal(signal.SIGSTOP)
    ground.agent("second")
    ground.until(lambda: ground.running(mark) == 2, 20 * LEASE_S)  # the second runs it, the first's runner goes on
    first.signal(signal.SIGCONT)
    ground.until(lambda: ground.running(mark) == 1)  # the first is told that it is fenced, and ends its runner
    assert not (ground.data / "out").exists()
    done = tes.wait(task, seconds=60)
    assert done["state"] == "COMPLETE", done
    assert [log["metadata"]["site"] for log in done["logs"]] == ["first", "second"]
    assert "not heard of" in " ".join(done["logs"][0]["system_logs"])
    assert done["logs"][0]["outputs"] == []
    assert len(done["logs"][1]["outputs"]) == 1
    assert (ground.data / "out").read_text() == "published\n"


def test_a_server_that_is_away_costs_no_running_task_anything(ground: Field) -> None:
    ground.agent("only")
    tes, count = ground.tes, 4
    script = f"echo ran >> /out; sleep {OUTAGE_S / 2}; echo ended >> /out"
    ids = [ground.shell(script, outputs=[{"url": f"{DATA}/{n}", "path": "/out"}]) for n in range(count)]
    for one in ids:
        tes.wait(one, {"RUNNING"})
    ground.server.kill()
    back = Deadline.after(OUTAGE_S)  # the outage itself is a length of time
    ground.until(lambda: back.passed, OUTAGE_S + 30)
    ground.server.start()
    ground.reconnect()
    for number, one in enumerate(ids):
        done = ground.tes.wait(one, seconds=60)
        assert (done["state"], len(done["logs"])) == ("COMPLETE", 1), done
        assert (ground.data / str(number)).read_text() == "ran\nended\n"


def test_a_site_that_disappears_gives_its_tasks_back(ground: Field) -> None:
    gone, tes = ground.agent("gone"), ground.tes
    task = ground.shell("sleep 2; echo x > /out", outputs=[{"url": f"{DATA}/back", "path": "/out"}])
    tes.wait(task, {"RUNNING"})
    gone.signal(signal.SIGSTOP)
    ground.agent("there")
    done = tes.wait(task, seconds=20 * LEASE_S)
    assert (done["state"], done["logs"][-1]["metadata"]["site"]) == ("COMPLETE", "there")
    assert (ground.data / "back").read_text() == "x\n"
