"""Both examples, a wrong file and a nested Snakemake through a real server, agent, sandboxes and command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from tests.conftest import RunningServer, end_runners
from tests.integration import rocrate

from penstock.pipelines.check import check_folder
from penstock.pipelines.examples import fetch

NESTED = {
    "pipeline.yml": """
        name: nested
        title: Rules that need Snakemake where they run
        version: "1"
        inputs:
          text: {title: A text, formats: [text], suffixes: [.txt]}
        parameters:
          type: object
          properties:
            times: {type: integer, title: Times, default: 2}
        results:
          files: ["out/**"]
    """,
    "Snakefile": """
        TIMES = config["parameters"]["times"]
        rule all:
            input: "out/letters.txt", "out/benchmark.tsv"
        rule repeat:
            input: text=config["inputs"]["text"], helper=workflow.source_path("scripts/times.py")
            output: "repeated.txt"
            run:
                with open(input.text[0]) as text, open(output[0], "w") as repeated:
                    repeated.write(text.read() * TIMES)
        rule letters:
            input: "repeated.txt"
            output: "out/letters.txt"
            log: "logs/letters.log"
            benchmark: "out/benchmark.tsv"
            script: "scripts/letters.py"
    """,
    "scripts/letters.py": """
        from pathlib import Path
        Path(snakemake.output[0]).write_text(str(len(Path(snakemake.input[0]).read_text())))
    """,
    "scripts/times.py": "",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose catalogue has a pipeline of the site's own."""
    root = tmp_path_factory.mktemp("lab")
    for name, text in NESTED.items():
        path = root / "catalogue" / "nested" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    one = RunningServer(root / "server", environment={"PENSTOCK_CATALOGUE": str(root / "catalogue")})
    one.start()
    yield one
    one.stop()
    end_runners(one.data)


def run(lab: RunningServer, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock.cli.main", "run", *map(str, words), "--output", str(folder / "results")]
    return subprocess.run(command, cwd=folder, env=lab.variables(), capture_output=True, text=True, timeout=120)


def options(data: dict[str, list[Path]]) -> list[object]:
    return [word for role, paths in data.items() for path in paths for word in (f"--{role}", path)]


def records(vcf: Path) -> list[str]:
    done = subprocess.run(["bcftools", "view", "-H", str(vcf)], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "count"), [("lambda", 207), ("human", 13)])
def test_an_example_comes_back_with_its_calls_table_and_picture(
    lab: RunningServer, tmp_path: Path, name: str, count: int
) -> None:
    done = run(lab, tmp_path, "variants", *options(fetch(name)))
    assert done.returncode == 0, done.stderr
    found = tmp_path / "results"
    assert {path.name for path in found.iterdir()} == {
        "calls.vcf.gz",
        "calls.vcf.gz.csi",
        "summary.tsv",
        "calls.png",
        "report.html",
        "ro-crate-metadata.json",
    }
    assert rocrate.problems(found) == []
    page = (found / "report.html").read_text()
    assert all(words in page for words in ("Variant calling", "data:image/png;base64,", "samtools 1", "align"))
    assert len(records(found / "calls.vcf.gz")) == count
    assert (found / "calls.png").read_bytes().startswith(b"\x89PNG")


def test_a_wrong_file_fails_the_workload_with_the_pipeline_s_own_words(lab: RunningServer, tmp_path: Path) -> None:
    data = fetch("lambda")
    short = tmp_path / "lambda_2.fq.gz"
    short.write_bytes(data["reads"][1].read_bytes()[:100_000])
    done = run(lab, tmp_path, "variants", *options({**data, "reads": [data["reads"][0], short]}))
    assert done.returncode == 1
    assert "lambda_2.fq.gz is truncated: its gzip stream has no end" in done.stderr


def test_parameters_reach_the_commands(lab: RunningServer, tmp_path: Path) -> None:
    given = ("--param", "ploidy=1", "--param", "keep_alignments=yes")
    done = run(lab, tmp_path, "variants", *options(fetch("human")), *given)
    assert done.returncode == 0, done.stderr
    found = tmp_path / "results"
    assert all(line.split("\t")[9].split(":")[0] in ("0", "1", ".") for line in records(found / "calls.vcf.gz"))
    assert (found / "alignments" / "HG00101.bam.bai").exists()


def test_rules_with_scripts_python_and_benchmarks_run_in_sandboxes_of_their_own(
    lab: RunningServer, tmp_path: Path
) -> None:
    assert check_folder(lab.data.parent / "catalogue" / "nested") == []
    (tmp_path / "a.txt").write_text("12345")
    done = run(lab, tmp_path, "nested", "--text", tmp_path / "a.txt", "--param", "times=3")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "out" / "letters.txt").read_text() == "15"
    assert (tmp_path / "results" / "out" / "benchmark.tsv").read_text().startswith("s\t")


def test_the_pipelines_of_the_catalogue_are_told_with_their_parameters(lab: RunningServer) -> None:
    command = [sys.executable, "-m", "penstock.cli.main", "pipelines", "show", "variants", "--json"]
    done = subprocess.run(command, env=lab.variables(), capture_output=True, text=True, timeout=60, check=True)
    told = json.loads(done.stdout)
    assert told["parameters"]["properties"]["ploidy"]["x-unit"] == "copies"
    assert len(told["digest"]) == 64
