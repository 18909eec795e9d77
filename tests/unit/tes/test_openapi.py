"""The OpenAPI document that is served agrees with TES 1.1's, by meaning (tests/data/tes-1.1.yaml)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.app import create_app
from penstock.settings import Settings

UPSTREAM = yaml.safe_load((Path(__file__).parents[2] / "data" / "tes-1.1.yaml").read_text())
CALLS = [(path, verb) for path, verbs in UPSTREAM["paths"].items() for verb in verbs]
Document = dict[str, Any]


@pytest.fixture(scope="module")
def served() -> Document:
    return create_app(Settings()).openapi()


def _follow(document: Document, schema: Document) -> Document:
    """A schema without references, and without the null that pydantic allows beside what may be left out."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    some = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    return _follow(document, some[0]) if len(some) == 1 else schema


def _differences(document: Document, ours: Document, theirs: Document, place: str, *, sent: bool) -> Iterator[str]:
    """``sent``: by clients, so we may demand no more than upstream does; else we must promise no less."""
    ours = _follow(document, ours)
    if "ref" in theirs:
        theirs = UPSTREAM["schemas"][theirs["ref"]]
    if "enum" in theirs:
        if not set(ours.get("enum", ())) <= set(theirs["enum"]) or (sent and set(ours["enum"]) != set(theirs["enum"])):
            yield f"{place}: one of {ours.get('enum')}, not of {theirs['enum']}"
    elif "properties" in theirs:
        yield from _object_differences(document, ours, theirs, place, sent=sent)
    elif "type" in theirs:
        kind = ours.get("type")
        if kind != theirs["type"] and (kind, theirs["type"]) != ("number", "integer"):  # fractions of a core
            yield f"{place}: {kind}, not {theirs['type']}"
        for ours_of, theirs_of in (("items", "items"), ("additionalProperties", "values")):
            if theirs_of in theirs and isinstance(ours.get(ours_of), dict):
                inner = {} if theirs[theirs_of] == {"type": "string"} and not ours[ours_of] else theirs[theirs_of]
                yield from _differences(document, ours[ours_of], inner, f"{place}.{ours_of}", sent=sent)
    if theirs.get("default", ours.get("default")) != ours.get("default"):
        yield f"{place}: default {ours.get('default')}"


def _object_differences(
    document: Document, ours: Document, theirs: Document, place: str, *, sent: bool
) -> Iterator[str]:
    wanted = {name for name, one in theirs["properties"].items() if not (sent and one.get("read_only"))}
    optional = {"contactUrl", "createdAt", "updatedAt", "environment"}  # what service-info may leave out
    have, must = set(ours.get("properties", {})), set(ours.get("required", []))
    for name in sorted(wanted - have - optional):
        yield f"{place}.{name} is missing"
    for name in sorted(have - wanted):
        yield f"{place}.{name} is not TES"
    required = set(theirs.get("required", []))
    for name in sorted(must - required if sent else set()):
        yield f"{place}.{name} is demanded"
    for name in sorted(wanted & have):
        inner = theirs["properties"][name]
        yield from _differences(document, ours["properties"][name], inner, f"{place}.{name}", sent=sent)


@pytest.mark.parametrize(("path", "verb"), CALLS)
@pytest.mark.parametrize("prefix", ["/ga4gh/tes/v1", "/v1"])
def test_a_call_takes_what_tes_says(served: Document, prefix: str, path: str, verb: str) -> None:
    ours = served["paths"][f"{prefix}{path}"][verb]
    theirs = UPSTREAM["paths"][path][verb]
    parameters = {one["name"]: one for one in ours.get("parameters", [])}
    assert set(parameters) == set(theirs.get("parameters", {}))
    assert not [one["name"] for one in parameters.values() if one["required"] and one["in"] != "path"]
    for name, wanted in theirs.get("parameters", {}).items():
        found = _follow(served, parameters[name]["schema"])
        default = parameters[name]["schema"].get("default")
        assert not list(_differences(served, {**found, "default": default}, wanted, name, sent=True))
    if "body" in theirs:
        body = ours["requestBody"]["content"]["application/json"]["schema"]
        assert not list(_differences(served, body, {"ref": theirs["body"]}, "body", sent=True))


@pytest.mark.parametrize(("path", "verb"), CALLS)
def test_a_call_answers_what_tes_says(served: Document, path: str, verb: str) -> None:
    answer = served["paths"][f"/ga4gh/tes/v1{path}"][verb]["responses"]["200"]["content"]["application/json"]["schema"]
    wanted = {"ref": UPSTREAM["paths"][path][verb]["response"]}
    assert not list(_differences(served, answer, wanted, "answer", sent=False))


def test_nothing_else_is_served_below_the_prefix(served: Document) -> None:
    ours = {path.removeprefix("/ga4gh/tes/v1") for path in served["paths"] if path.startswith("/ga4gh/tes/v1")}
    assert ours == set(UPSTREAM["paths"])
