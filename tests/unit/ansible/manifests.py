"""Renders a role's templates with its defaults, as Ansible does, and holds them against Kubernetes' own schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader  # type: ignore[import-untyped]  # Ansible has no types
from ansible.plugins.loader import init_plugin_loader  # type: ignore[import-untyped]
from ansible.template import Templar, trust_as_template  # type: ignore[import-untyped]
from jsonschema import Draft4Validator

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
SCHEMAS = ROOT / "tests" / "data" / "kubernetes"
Manifest = dict[str, Any]
FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

init_plugin_loader()  # templates look files and templates up


@cache
def variables_of(role: str, part: str) -> dict[str, Any]:
    """The role's ``defaults`` or ``vars``, as templates that may be rendered."""
    path = ROLES / role / part / "main.yml"
    if not path.exists():
        return {}
    found: dict[str, Any] = DataLoader().load_from_file(str(path), trusted_as_template=True)
    return found


def render(role: str, template: str, given: Mapping[str, Any], uses: tuple[str, ...] = ()) -> str:
    """The text of a template; ``uses`` are roles whose variables are there, too."""
    known: dict[str, Any] = {"ansible_managed": "Ansible managed", "role_path": str(ROLES / role)}
    for one in (*uses, role):
        known |= variables_of(one, "defaults")
    known |= given
    for one in (*uses, role):
        known |= variables_of(one, "vars")
    loader = DataLoader()
    loader.set_basedir(str(ROLES / role / "tasks"))
    known["ansible_search_path"] = [str(ROLES / role)]
    text = (ROLES / role / "templates" / template).read_text()
    rendered: str | None = Templar(loader, known).template(trust_as_template(text))
    return rendered or ""


def manifests(text: str) -> list[Manifest]:
    """The documents of a rendered template; none of one that has nothing to say."""
    return [document for document in yaml.load_all(text, FAST) if document]


@cache
def _schemas(version: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / f"{version}.json").read_text())
    return found


@cache
def _validator(version: str, kind: str) -> Draft4Validator:
    schemas = _schemas(version)
    schema = {"$ref": f"#/definitions/{schemas['kinds'][kind]}", "definitions": schemas["definitions"]}
    return Draft4Validator(schema)


@cache
def _wrong(text: str, version: str) -> list[str]:
    manifest = json.loads(text)
    group, _, _ = str(manifest["apiVersion"]).rpartition("/")
    errors = _validator(version, f"{group}/{manifest['kind']}").iter_errors(manifest)
    return [f"{manifest['kind']} {manifest['metadata']['name']} {error.json_path}: {error.message}" for error in errors]


def wrong(manifest: Manifest, version: str) -> list[str]:
    """What Kubernetes of a minor version would not take of it."""
    return _wrong(json.dumps(manifest, sort_keys=True), version)  # most cases share most manifests
