"""What a ``pipeline.yml`` says, as typed objects. Every key is checked; an unknown one is an error, not ignored."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator, SchemaError
from pydantic import BaseModel, ConfigDict, Field, field_validator

from penstock.names import TOOLS_IMAGE

DEFINITION = "pipeline.yml"
NOT_PART = frozenset({"__pycache__", ".snakemake"})  # what programs leave in a folder is no part of a pipeline

Role = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
Version = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,3}([a-z0-9.+-]*)$")]
Sentence = Annotated[str, Field(min_length=1, max_length=4000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputRole(_Strict):
    """One kind of file that a pipeline takes. Counts are numbers of files; ``max`` None means any number."""

    title: Sentence
    description: str = ""
    formats: list[str] = Field(min_length=1)
    suffixes: list[Annotated[str, Field(pattern=r"^\.")]] = Field(min_length=1)
    min: int = Field(1, ge=0)
    max: int | None = Field(1, ge=1)
    multiple_of: int = Field(1, ge=1, description="The files come in groups of this many, such as 2 for pairs.")


class HeadResources(_Strict):
    """What the engine itself needs while its processes run elsewhere; memory in 10^9 bytes."""

    cpu_cores: float = Field(0.05, gt=0)
    ram_gb: float = Field(0.5, gt=0)


class PipelineResources(_Strict):
    """What the tasks of a pipeline need; each process names its own in the engine's language."""

    head: HeadResources = HeadResources()


class Results(_Strict):
    """What a workload hands back: globs of files below ``folder``, and the table to show first.

    ``folder`` is relative to the working directory, and no part of the results' names.
    """

    folder: str = "."
    files: list[str] = Field(min_length=1)
    summary: str | None = None


class Example(_Strict):
    """Data to try the pipeline with: ``data`` names a set that ``penstock.pipelines.examples`` can fetch."""

    title: Sentence
    data: str | None = None
    inputs: dict[Role, list[str]] = Field({}, description="Files of the pipeline's own folder, by role.")
    parameters: dict[str, Any] = {}


class Definition(_Strict):
    """The whole of a ``pipeline.yml``."""

    name: Name
    title: Sentence
    version: Version
    description: str = ""
    engine: Literal["snakemake"] = "snakemake"
    image: str = TOOLS_IMAGE
    inputs: dict[Role, InputRole] = Field(min_length=1)
    any_of: list[Role] = Field([], description="Roles of which at least one must be given.")
    parameters: dict[str, Any] = {"type": "object", "properties": {}}
    resources: PipelineResources = PipelineResources()
    results: Results
    example: dict[Name, Example] = {}

    @field_validator("parameters")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            where = ".".join(str(part) for part in error.path)
            raise ValueError(f"{where} is no JSON Schema: {error.message}") from error
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            raise ValueError("it must be a JSON Schema of type object with properties")
        return schema


@dataclass(frozen=True)
class Pipeline:
    """A definition and the folder that it was read from."""

    definition: Definition
    folder: Path

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return self.definition.name

    @property
    def version(self) -> str:
        """The version its author gave it."""
        return self.definition.version

    def files(self) -> Iterator[Path]:
        """All its files, relative to the folder, sorted: what a workload gets a copy of."""
        for path in sorted(self.folder.rglob("*")):
            relative = path.relative_to(self.folder)
            if path.is_file() and not NOT_PART.intersection(relative.parts):
                yield relative

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, executable bits and contents of all files: two equal digests run alike."""
        total = hashlib.sha256()
        for relative in self.files():
            path = self.folder / relative
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{relative.as_posix()}\0{executable:d}\0{content}\n".encode())
        return total.hexdigest()
