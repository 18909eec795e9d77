"""Where results come from, for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.workloads.telling import HOSTILE, RECORD, WORKLOAD

from penstock.workloads.crate import crate
from penstock.workloads.record import Record

NAME = "ro-crate-metadata.json"


def graph_of(record: Record) -> dict[str, Any]:
    graph = json.loads(crate(record, NAME))["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    assert len(found) == len(graph)
    return found


@pytest.fixture
def graph() -> dict[str, Any]:
    return graph_of(RECORD)


def test_the_crate_has_what_every_crate_must_have(graph: dict[str, Any]) -> None:
    descriptor, root = graph[NAME], graph["./"]
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= set(root)


def test_every_reference_of_the_crate_leads_somewhere(graph: dict[str, Any]) -> None:
    def references(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [value["@id"]] if set(value) == {"@id"} else []
            return own + [one for part in value.values() for one in references(part)]
        return [one for part in value for one in references(part)] if isinstance(value, list) else []

    for entity in graph.values():
        for target in references([part for key, part in entity.items() if key != "@id"]):
            assert target in graph or target == "https://w3id.org/ro/crate/1.1", target


def test_the_crate_tells_what_was_run_on_what_with_what(graph: dict[str, Any]) -> None:
    action = graph["#run"]
    assert (action["instrument"], action["agent"]) == ({"@id": "#pipeline"}, {"@id": "#owner"})
    assert {"@id": "#input/ref/r.fa"} in action["object"]
    assert {"@id": "calls%20of%20a.vcf.gz"} in action["result"]
    assert action["startTime"] == "1970-01-01T00:00:01.000+00:00"
    assert action["endTime"] == "1970-01-01T00:00:13.000+00:00"
    assert graph["#pipeline"]["identifier"] == f"sha256:{'d' * 64}"
    assert graph["#tool/bwa%200.7.17"]["softwareVersion"] == "0.7.17"
    assert graph["calls%20of%20a.vcf.gz"]["sha256"] == "3" * 64
    assert graph["#input/ref/r.fa"]["sha256"] == "2" * 64
    assert graph["#parameter/ploidy"]["value"] == "2"


def test_each_process_is_an_action_with_what_it_used(graph: dict[str, Any]) -> None:
    process = graph["#process-0"]
    assert (process["@type"], process["instrument"]) == ("CreateAction", {"@id": "#rule/align"})
    used = [graph[one["@id"]] for one in process["resourceUsage"]]
    assert [(one["name"], one["value"], one["unitCode"]) for one in used] == [
        ("CPU time", "3.5", "SEC"),
        ("most memory", "200000000", "AD"),
    ]


def test_a_secret_of_a_url_is_not_published(graph: dict[str, Any]) -> None:
    assert graph["#input/ref/r.fa"]["url"] == "https://example.org/r.fa"
    text = crate(RECORD, NAME)
    assert b"secret" not in text
    assert b"password" not in text


def test_a_failure_is_one_in_the_crate_too() -> None:
    action = graph_of(replace(RECORD, state="FAILED", reason="call: no such file"))["#run"]
    assert (action["actionStatus"], action["error"]) == (
        "http://schema.org/FailedActionStatus",
        "call: no such file",
    )


def test_who_has_no_token_is_not_named() -> None:
    stranger = graph_of(replace(RECORD, workload=replace(WORKLOAD, owner="anon-01m7zfb0xvhpnzqtba26y0gyk4")))
    assert "#owner" not in stranger
    assert "agent" not in stranger["#run"]


def test_half_a_character_does_not_stop_it() -> None:
    assert "#parameter/%3F" in graph_of(replace(RECORD, workload=replace(WORKLOAD, parameters={"\ud800": "\ud800"})))


def test_names_are_kept_as_they_are(graph: dict[str, Any]) -> None:
    assert graph["./"]["name"] == HOSTILE
