"""What a run says at its start and at its end."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from penstock.cli import report
from penstock.cli.progress import Lines
from penstock.cli.report import Ended
from penstock.client.inputs import LocalFile, RemoteFile
from penstock.client.runs import Order, Ticket, Times
from penstock.client.state import Record
from penstock.client.workloads import Account, Result, State, Workload
from penstock.pipelines.models import Definition

RESULT = Result(name="results/calls.vcf", size=2_000, sha256="ab", url="")


@pytest.fixture
def ticket() -> Ticket:
    record = Record(workload="w1", server="http://here", pipeline="count", account=Account(name="w1", secret="s3cret"))
    return Ticket("k", record, resumed=False, times=Times(upload_s=1.23456, run_s=2, download_s=0.5))


@pytest.fixture
def file() -> io.StringIO:
    return io.StringIO()


def order(*inputs: LocalFile | RemoteFile) -> Order:
    return Order("count", "1", {"ploidy": 2, "fast": True}, inputs)


def local(name: str, role: str = "reads") -> LocalFile:
    return LocalFile(role, Path("/d") / name, 1500, 1, "aa")


def ended(ticket: Ticket, state: State = State.SUCCEEDED, *results: Result, output: Path = Path("out")) -> Ended:
    workload = Workload(
        id="w1",
        pipeline="count",
        version="1",
        state=state,
        reason="so it was" if state != State.SUCCEEDED else None,
        created_at="2026-01-01T00:00:00Z",
        updated_at="2026-01-01T00:01:05Z",
    )
    return Ended(workload, ticket, results, output, acknowledged=bool(results))


def told(file: io.StringIO) -> str:
    return "\n".join(line[22:] for line in file.getvalue().splitlines())


def test_the_start_names_workload_pipeline_server_and_files(ticket: Ticket, file: io.StringIO) -> None:
    report.started(Lines(file), order(local("r1.fq"), RemoteFile("ref", "https://x/r.fa"), local("r2.fq")), ticket)
    assert told(file) == (
        "Workload w1: count 1 at http://here\n  reads: r1.fq (1.50 kB), r2.fq (1.50 kB)\n  ref: https://x/r.fa"
    )


def test_many_files_are_counted(ticket: Ticket, file: io.StringIO) -> None:
    report.started(Lines(file), order(*(local(f"r{number}.fq") for number in range(9))), ticket)
    assert told(file).endswith("r3.fq (1.50 kB) and 5 more")


def test_going_on_is_one_line(ticket: Ticket, file: io.StringIO) -> None:
    ticket.resumed = True
    report.started(Lines(file), order(local("r1.fq")), ticket)
    assert told(file) == "Going on with workload w1: count 1 at http://here"


def test_the_document_of_a_run_is_complete_and_has_no_secret(ticket: Ticket) -> None:
    document = ended(ticket, State.SUCCEEDED, RESULT).document()
    assert document == {
        "id": "w1",
        "pipeline": "count",
        "version": "1",
        "name": None,
        "state": "SUCCEEDED",
        "reason": "",
        "resumed": False,
        "acknowledged": True,
        "output": "out",
        "results": [{"name": "results/calls.vcf", "path": "out/results/calls.vcf", "size": 2000, "sha256": "ab"}],
        "created_at": "2026-01-01T00:00:00Z",
        "ended_at": "2026-01-01T00:01:05Z",
        "results_to": None,
        "results_sent_at": None,
        "times": {"upload_s": 1.235, "run_s": 2, "download_s": 0.5},
    }
    assert "s3cret" not in json.dumps(document)


def test_a_document_without_results_names_no_folder(ticket: Ticket) -> None:
    assert ended(ticket, State.FAILED).document()["output"] is None


def test_the_end_says_how_long_how_much_and_where(ticket: Ticket, file: io.StringIO, definition: Definition) -> None:
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, RESULT))
    assert told(file) == "Succeeded after 1 min 05 s: 1 file, 2.00 kB, in out/"


def sending(end: Ended, **changes: str) -> Ended:
    return replace(end, workload=end.workload.model_copy(update={"results_to": "s3://lab/x/", **changes}))


def test_results_that_were_sent_are_told(ticket: Ticket, file: io.StringIO, definition: Definition) -> None:
    end = sending(ended(ticket, State.SUCCEEDED, RESULT), results_sent_at="2026-01-01T00:01:05Z")
    report.ended(Lines(file), definition, end)
    assert told(file).splitlines()[1] == "The results were sent to s3://lab/x/"


def test_results_that_were_not_sent_are_told_as_an_error(
    ticket: Ticket, file: io.StringIO, definition: Definition, capsys: pytest.CaptureFixture[str]
) -> None:
    end = sending(ended(ticket, State.SUCCEEDED, RESULT), reason="They could not be sent to s3://lab/x/: denied.")
    report.ended(Lines(file), definition, end)
    assert capsys.readouterr().err == "error: They could not be sent to s3://lab/x/: denied.\n"
    assert told(file).startswith("Succeeded")


def test_what_is_kept_can_be_removed_later(ticket: Ticket, file: io.StringIO, definition: Definition) -> None:
    report.ended(Lines(file), definition, ended(ticket))
    assert "`penstock ack w1` removes it" in told(file)


def test_a_failure_says_why_and_where_to_look(
    ticket: Ticket, file: io.StringIO, definition: Definition, capsys: pytest.CaptureFixture[str]
) -> None:
    report.ended(Lines(file), definition, ended(ticket, State.FAILED))
    err = capsys.readouterr().err
    assert (
        err
        == "error: Workload w1 ended as FAILED. so it was\nhint: `penstock logs w1` shows what its processes wrote.\n"
    )


def test_a_cancellation_is_no_failure(
    ticket: Ticket, file: io.StringIO, definition: Definition, capsys: pytest.CaptureFixture[str]
) -> None:
    report.ended(Lines(file), definition, ended(ticket, State.CANCELED))
    assert capsys.readouterr().err == "error: Workload w1 was canceled. so it was\n"


@pytest.mark.parametrize("name", ["results/summary.tsv", "summary.tsv"])
def test_the_pipelines_summary_is_shown_wherever_it_lies(
    ticket: Ticket,
    file: io.StringIO,
    definition: Definition,
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("sample\tmean_depth\nHG00100\t12.5\nHG00101\t9\n")
    result = Result(name=name, size=1, sha256="ab", url="")
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, result, output=tmp_path))
    assert capsys.readouterr().err.splitlines() == [
        "",
        "sample   mean depth",
        "HG00100        12.5",
        "HG00101           9",
    ]


def test_a_long_summary_is_cut_and_says_so(
    ticket: Ticket, file: io.StringIO, definition: Definition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.tsv").write_text("n\tm\n" + "1\t2\n" * 50)
    result = Result(name="summary.tsv", size=1, sha256="ab", url="")
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, result, output=tmp_path))
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1 + 1 + 30 + 1
    assert err[-1] == f"… 20 more rows in {tmp_path / 'summary.tsv'}"


@pytest.mark.parametrize("content", ["", "only\ta\theading\n"])
def test_an_empty_summary_is_not_shown(
    ticket: Ticket,
    file: io.StringIO,
    definition: Definition,
    tmp_path: Path,
    content: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "summary.tsv").write_text(content)
    result = Result(name="summary.tsv", size=1, sha256="ab", url="")
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, result, output=tmp_path))
    assert capsys.readouterr().err == ""


def test_a_summary_with_ragged_rows_is_shown_all_the_same(
    ticket: Ticket, file: io.StringIO, definition: Definition, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "summary.tsv").write_text("a\tb\n1\n1\t2\t3\n")
    result = Result(name="summary.tsv", size=1, sha256="ab", url="")
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, result, output=tmp_path))
    assert [line.split() for line in capsys.readouterr().err.splitlines()[1:]] == [["a", "b"], ["1"], ["1", "2"]]


def test_a_summary_wider_than_the_terminal_loses_whole_columns(
    ticket: Ticket, file: io.StringIO, definition: Definition, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=30, color_system=None)
    monkeypatch.setattr(report, "stderr", lambda: console)
    (tmp_path / "summary.tsv").write_text("\t".join(f"number_{n}" for n in range(9)) + "\n" + "\t".join("1" * 9) + "\n")
    result = Result(name="summary.tsv", size=1, sha256="ab", url="")
    report.ended(Lines(file), definition, ended(ticket, State.SUCCEEDED, result, output=tmp_path))
    assert all(len(line) <= 30 for line in screen.getvalue().splitlines() if "summary.tsv" not in line)
    assert "more columns in" in screen.getvalue()


def test_a_dry_run_shows_files_parameters_and_units(definition: Definition, capsys: pytest.CaptureFixture[str]) -> None:
    report.dry_run("http://here", definition, order(local("r1.fq"), RemoteFile("ref", "https://x/r.fa")), json=False)
    shown = capsys.readouterr()
    rows = [line.split() for line in shown.out.splitlines()]
    assert ["reads", "r1.fq", "1.50", "kB"] in rows
    assert ["ref", "https://x/r.fa"] in rows
    assert ["ploidy", "2", "copies"] in rows
    assert shown.err == "Everything fits count 1 at http://here; files would go each by itself. Nothing sent.\n"


def test_a_dry_run_is_json_for_programs(definition: Definition, capsys: pytest.CaptureFixture[str]) -> None:
    many = order(*(local(f"r{number}.fq") for number in range(20)))
    report.dry_run("http://here", definition, many, json=True)
    plan = json.loads(capsys.readouterr().out)
    assert plan["bundle"] is True
    assert plan["inputs"][0] == {"role": "reads", "path": "/d/r0.fq", "size": 1500}
    assert plan["parameters"] == {"ploidy": 2, "fast": True}
