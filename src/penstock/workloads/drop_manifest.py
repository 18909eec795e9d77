"""``workload.yml`` of a drop: what a tar that was put into the drop box asks for. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from penstock.errors import InvalidInput
from penstock.names import check_relative_path
from penstock.workloads import crypt

MANIFEST = "workload.yml"
LARGEST_MANIFEST = 64 << 10
DEEPEST = 16  # folders in folders
_HINT = "docs/drop-box.md shows one that is right."


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class DropAccount(_Strict):
    """Who may fetch the results: a name, and the hash of a secret that only the sender knows."""

    name: str
    hash: str = Field(repr=False)


class DropManifest(_Strict):
    """The whole of a ``workload.yml``; ``inputs`` names files of the tar by role."""

    pipeline: str
    version: str | None = None
    name: str | None = Field(None, max_length=200)
    parameters: dict[str, Any] = {}
    inputs: dict[str, list[str]] = Field(min_length=1)
    account: DropAccount

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return str(value) if plain else value

    @field_validator("inputs", mode="before")
    @classmethod
    def _as_lists(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {role: [files] if isinstance(files, str) else files for role, files in value.items()}


def read_manifest(raw: bytes) -> DropManifest:
    """The manifest; InvalidInput says what is wrong with it, and never repeats the hash."""
    document = _load(raw)
    try:
        manifest = DropManifest.model_validate(document)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))[:80]}: {one['msg']}" for one in error.errors()[:5])
        raise InvalidInput(f"{MANIFEST}: {told or 'it is not an object'}.", hint=_HINT) from error
    crypt.check_name(manifest.account.name)
    crypt.check_hash(manifest.account.hash)
    _check_files([file for files in manifest.inputs.values() for file in files])
    return manifest


def _check_files(files: list[str]) -> None:
    for file in files:
        if len(check_relative_path(file).parts) > DEEPEST:
            raise InvalidInput(f"{MANIFEST}: {file[:80]!r} lies more than {DEEPEST} folders deep.")
    twice = next((file for file in files if files.count(file) > 1), None) if len(files) != len(set(files)) else None
    if twice is not None:
        raise InvalidInput(f"{MANIFEST}: the file {twice[:80]!r} is named twice.")


class _Loader(yaml.SafeLoader):
    """YAML without what makes small texts large (anchors) or ambiguous (a key that is there twice)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent) or getattr(self.peek_event(), "anchor", None):  # type: ignore[no-untyped-call]
            raise yaml.YAMLError("anchors and aliases do not work here")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        if any(not isinstance(key, str) for key in keys) or len(keys) != len(set(keys)):
            raise yaml.YAMLError("a key is there twice, or is no text")
        return super().construct_mapping(node, deep)


def _load(raw: bytes) -> object:
    if len(raw) > LARGEST_MANIFEST:
        raise InvalidInput(f"{MANIFEST} has {len(raw)} bytes.", hint=f"At most {LARGEST_MANIFEST} work.")
    try:
        return yaml.load(raw.decode(), _Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        place = f" in line {where.line + 1}" if where is not None else ""
        problem = getattr(error, "problem", None) or (str(error) if isinstance(error, yaml.YAMLError) else "no UTF-8")
        raise InvalidInput(f"{MANIFEST} cannot be read{place}: {problem}.", hint=_HINT) from error
