"""How the jobs of a workflow become processes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from tests.integration.snakemake_executor.engine import CHAIN, CHECKPOINT, Engine


def test_every_job_runs_as_a_process_of_its_own(engine: Engine) -> None:
    code, stderr = engine.run(CHAIN)
    assert code == 0, stderr
    assert engine.read("joined.txt") == "hello 1\nhello 2\nhello 3\n"
    assert sorted(engine.queue.runs) == ["join", "part[n=1]", "part[n=2]", "part[n=3]"]


def test_a_script_rule_runs_under_a_snakemake_of_its_own(engine: Engine) -> None:
    (engine.root / "pipeline" / "count.py").write_text(
        dedent("""
            from pathlib import Path
            Path(snakemake.output[0]).write_text(str(len(Path(snakemake.input[0]).read_text())))
        """)
    )
    code, stderr = engine.run("""
        rule all:
            input: "length.txt", "run.txt"
        rule text:
            output: "text.txt"
            shell: "printf abc > {output}"
        rule length:
            input: "text.txt"
            output: "length.txt"
            script: "count.py"
        rule python:
            input: "text.txt"
            output: "run.txt"
            run:
                with open(output[0], "w") as file:
                    file.write(config["parameters"]["word"])
    """)
    assert code == 0, stderr
    assert engine.read("length.txt") == "3"
    assert engine.read("run.txt") == "hello"
    assert sorted(engine.queue.runs) == ["length", "python", "text"]


def test_the_command_runs_under_the_shell_settings_of_snakemake(engine: Engine) -> None:
    code, stderr = engine.run("""
        shell.prefix("set -eo pipefail; export WORD=prefixed; ")
        rule piped:
            output: "word.txt"
            shell: "echo $WORD | cat > {output}"
    """)
    assert code == 0, stderr
    assert engine.read("word.txt") == "prefixed\n"
    code, _ = engine.run("""
        rule piped:
            output: "other.txt"
            shell: "false | cat > {output}"
    """)
    assert code == 1


def test_directories_logs_and_nested_folders_are_declared_and_made(engine: Engine) -> None:
    (engine.root / "inputs" / "reads").mkdir()
    (engine.root / "inputs" / "reads" / "a.txt").write_text("a")
    code, stderr = engine.run(f"""
        rule all:
            input: "deep/down/all.txt"
        rule parts:
            input: "{engine.root}/inputs/reads/a.txt"
            output: directory("parts")
            log: "logs/parts/parts.log"
            shell: "mkdir {{output}}; cp {{input}} {{output}}/1; cp {{input}} {{output}}/2; echo made > {{log}}"
        rule join:
            input: "parts"
            output: "deep/down/all.txt"
            shell: "cat {{input}}/* > {{output}}"
    """)
    assert code == 0, stderr
    assert engine.read("deep/down/all.txt") == "aa"
    work = engine.root / "work"
    parts, join = engine.queue.specs.values()
    assert parts["inputs"] == [_file(engine.root / "inputs" / "reads" / "a.txt")]
    assert parts["outputs"] == [_file(work / "parts", "DIRECTORY"), _file(work / "logs" / "parts" / "parts.log")]
    assert join["inputs"] == [_file(work / "parts", "DIRECTORY")]


def test_a_command_longer_than_an_argument_may_be_is_sent_as_a_file(engine: Engine, tmp_path: Path) -> None:
    code, stderr = engine.run("""
        rule long:
            output: "long.txt"
            params: words=" ".join(["word"] * 40_000)
            shell: "echo {params.words} | wc -w > {output}"
    """)
    assert code == 0, stderr
    assert engine.read("long.txt").strip() == "40000"
    (spec,) = engine.queue.specs.values()
    assert spec["executors"][0]["command"][1] == spec["inputs"][-1]["path"]


def test_resources_become_those_of_the_task(engine: Engine) -> None:
    code, stderr = engine.run("""
        rule sized:
            output: "sized.txt"
            threads: 3
            resources: mem_mb=1500, disk_mb=250, runtime=10
            shell: "echo $OMP_NUM_THREADS > {output}"
    """)
    assert code == 0, stderr
    (spec,) = engine.queue.specs.values()
    limit = {"time_limit_s": "600"}
    assert spec["resources"] == {"cpu_cores": 3, "ram_gb": 1.5, "disk_gb": 0.25, "backend_parameters": limit}
    assert engine.read("sized.txt") == "3\n"


def test_all_that_is_ready_goes_in_one_call_with_the_number_of_processes_in_all(engine: Engine) -> None:
    engine.run(CHAIN)
    assert [(batch["total"], len(batch["tasks"])) for batch in engine.queue.batches] == [(4, 3), (4, 1)]


def test_a_checkpoint_raises_the_number_of_processes(engine: Engine) -> None:
    code, stderr = engine.run(CHECKPOINT)
    assert code == 0, stderr
    assert [batch["total"] for batch in engine.queue.batches] == [2, 4, 4]


def _file(path: Path, kind: str = "FILE") -> dict[str, str]:
    return {"url": f"file://{path}", "path": str(path), "type": kind}
