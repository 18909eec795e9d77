"""What ``penstock pipelines check DIR`` looks at before a pipeline is put into a catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from penstock.errors import PenstockError
from penstock.pipelines.models import Definition, Example, Pipeline
from penstock.pipelines.parameters import check_parameters
from penstock.pipelines.service import check_inputs, read_pipeline

READ_S = 60
SNAKEFILE = "Snakefile"


def check_folder(path: Path) -> list[str]:
    """Everything that is wrong with the pipeline in ``path``, one sentence each; empty when it can be installed."""
    if not path.is_dir():
        return [f"{path} is no folder."]
    try:
        pipeline = read_pipeline(path)
    except PenstockError as error:
        return [str(error)]
    return [
        *_roles(pipeline.definition),
        *_parameters(pipeline.definition.parameters),
        *_results(pipeline.definition),
        *_examples(pipeline),
        *_snakefile(pipeline),
    ]


def _roles(definition: Definition) -> Iterator[str]:
    for role, entry in definition.inputs.items():
        if entry.max is not None and entry.max < max(entry.min, 1):
            yield f"inputs.{role}: max {entry.max} is less than min {entry.min}."
        if entry.max is not None and entry.max % entry.multiple_of:
            yield f"inputs.{role}: max {entry.max} is no multiple of {entry.multiple_of}."
    for role in definition.any_of:
        if role not in definition.inputs:
            yield f"any_of: there is no input {role!r}."


def _parameters(schema: dict[str, Any]) -> Iterator[str]:
    for name, entry in schema["properties"].items():
        yield from _parameter(schema, name, entry)


def _parameter(schema: dict[str, Any], name: str, entry: dict[str, Any]) -> Iterator[str]:
    for key in ("type", "title"):
        if not entry.get(key):
            yield f"parameters.{name}: needs a {key}, so that people know what to give."
    if "default" not in entry:
        if name not in schema.get("required", []):
            yield f"parameters.{name}: needs a default, or to stand in 'required'."
        return
    try:
        check_parameters({**schema, "required": []}, {name: entry["default"]})
    except PenstockError as error:
        yield f"parameters.{name}: its default does not fit: {error}"


def _results(definition: Definition) -> Iterator[str]:
    named = [definition.results.folder] if definition.results.folder != "." else []
    named += [*definition.results.files, *([definition.results.summary] if definition.results.summary else [])]
    for pattern in named:
        pure = PurePosixPath(pattern)
        if pure.is_absolute() or ".." in pure.parts:
            yield f"results: {pattern!r} must be relative to the working directory and stay in it."


def _examples(pipeline: Pipeline) -> Iterator[str]:
    for name, example in pipeline.definition.example.items():
        where = f"example.{name}"
        if example.data and not (pipeline.folder / "example" / f"{example.data}.yml").is_file():
            yield f"{where}: there is no example/{example.data}.yml."
        try:
            check_parameters({**pipeline.definition.parameters, "required": []}, example.parameters)
            if example.inputs:
                check_inputs(pipeline, _declared(example))
        except PenstockError as error:
            yield f"{where}: {error}"
        for _, file in _paths(example):
            if not (pipeline.folder / file).is_file():
                yield f"{where}: there is no file {file} in the pipeline's folder."


def _paths(example: Example) -> list[tuple[str, str]]:
    return [(role, file) for role, files in example.inputs.items() for file in files]


def _declared(example: Example) -> list[tuple[str, str]]:
    return [(role, PurePosixPath(file).name) for role, file in _paths(example)]


def _snakefile(pipeline: Pipeline) -> Iterator[str]:
    """Whether Snakemake reads the file with a configuration as a workload would get it. Nothing of it is run."""
    snakefile = pipeline.folder / SNAKEFILE
    if not snakefile.is_file():
        yield f"There is no {SNAKEFILE}."
        return
    with tempfile.TemporaryDirectory() as scratch:
        configuration = Path(scratch) / "config.json"
        configuration.write_text(json.dumps(example_configuration(pipeline.definition, scratch)))
        reading = ["--snakefile", str(snakefile), "--directory", scratch, "--configfile", str(configuration)]
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--list-rules", "--quiet", "host", *reading],
            env={**os.environ, "XDG_CACHE_HOME": scratch},
            capture_output=True,
            text=True,
            timeout=READ_S,
            check=False,
        )
    if done.returncode:
        yield f"{SNAKEFILE}: Snakemake cannot read it: {' '.join(done.stderr.split()) or 'no reason given'}"


def example_configuration(definition: Definition, folder: str) -> dict[str, Any]:
    """A ``config.json`` with the defaults, and as many made-up files as each role needs."""
    properties = definition.parameters.get("properties", {})
    return {
        "inputs": {
            role: [f"{folder}/{role}{number}{entry.suffixes[0]}" for number in range(entry.min)]
            for role, entry in definition.inputs.items()
        },
        "parameters": {name: entry.get("default") for name, entry in properties.items()},
        "site": {"cpu_cores": 2, "ram_gb": 4},
    }
