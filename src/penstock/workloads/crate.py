"""``ro-crate-metadata.json``: where results come from, for programs. Pure.

https://www.researchobject.org/ro-crate/specification/1.1/ and the profile "Process Run Crate" 0.5
(https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate/).
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote as strictly_quoted

import penstock
from penstock.clock import MICROSECONDS
from penstock.staging.urls import shown
from penstock.workloads.anonymous import is_stranger
from penstock.workloads.models import Result
from penstock.workloads.record import Record, Run

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = "https://w3id.org/ro/terms/workflow-run#"
# Version 1.1 knows no digests; its successors take this one from schema.org, too.
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "http://schema.org/sha256", "resourceUsage": f"{TERMS}resourceUsage"},
]
Entity = dict[str, Any]
quote = partial(strictly_quoted, errors="replace")  # a text parameter may hold half a character


def crate(record: Record, name: str) -> bytes:
    """The whole document, to be stored as ``name``; the same for the same record."""
    graph = [_descriptor(name), _root(record), _profile(), _rights(), _pipeline(record), _penstock()]
    graph += [_action(record), *_owner(record), *_tools(record), *_rules(record), *_inputs(record)]
    graph += [*map(_result, record.results), *_parameters(record)]
    for number, run in enumerate(record.runs):
        graph += _process(number, run, _agent(record))
    return (
        json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1, ensure_ascii=False).encode(errors="replace")
        + b"\n"
    )


def _descriptor(name: str) -> Entity:
    conforms = {"@id": "https://w3id.org/ro/crate/1.1"}
    return {"@id": quote(name), "@type": "CreativeWork", "conformsTo": conforms, "about": {"@id": "./"}}


def _root(record: Record) -> Entity:
    workload = record.workload
    runs = [{"@id": _process_id(number)} for number in range(len(record.runs))]
    return {
        "@id": "./",
        "@type": "Dataset",
        "conformsTo": {"@id": PROFILE},
        "identifier": workload.id,
        "name": workload.name or f"{record.title}: workload {workload.id}",
        "description": f"Results of the pipeline {workload.pipeline} {workload.version}, run by Penstock.",
        "datePublished": _moment(record.ended_us),
        "license": {"@id": "#rights"},
        "hasPart": [{"@id": _id(one)} for one in record.results],
        "mentions": [{"@id": "#run"}, *runs],
    }


def _profile() -> Entity:
    return {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}


def _rights() -> Entity:
    words = "The results belong to whom the inputs belong to. No licence was given."
    return {"@id": "#rights", "@type": "CreativeWork", "name": "No licence", "description": words}


def _pipeline(record: Record) -> Entity:
    entity: Entity = {
        "@id": "#pipeline",
        "@type": "SoftwareApplication",
        "name": record.workload.pipeline,
        "description": record.title,
        "softwareVersion": record.workload.version,
        "softwareRequirements": [{"@id": "#penstock"}, *({"@id": _tool_id(tool)} for tool in record.tools)],
    }
    return {**entity, "identifier": f"sha256:{record.digest}"} if record.digest else entity


def _penstock() -> Entity:
    version = penstock.__version__
    return {"@id": "#penstock", "@type": "SoftwareApplication", "name": "Penstock", "softwareVersion": version}


def _agent(record: Record) -> Entity:
    # The owner of a workload without a token is made for it alone and says nothing.
    return {} if is_stranger(record.workload.owner) else {"agent": {"@id": "#owner"}}


def _owner(record: Record) -> Iterator[Entity]:
    if _agent(record):
        yield {"@id": "#owner", "@type": "Person", "name": record.workload.owner}


def _action(record: Record) -> Entity:
    workload = record.workload
    inputs = [{"@id": _input_id(member)} for member in record.inputs]
    return {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Workload {workload.id}",
        "description": f"The pipeline {workload.pipeline} {workload.version} with {len(record.runs)} processes.",
        "instrument": {"@id": "#pipeline"},
        **_agent(record),
        "startTime": _moment(workload.created_us),
        "endTime": _moment(record.ended_us),
        **_status(record.succeeded, record.reason),
        "object": inputs + [{"@id": _parameter_id(name)} for name in workload.parameters],
        "result": [{"@id": _id(one)} for one in record.results],
    }


def _status(succeeded: bool, reason: str) -> Entity:
    status = f"http://schema.org/{'CompletedActionStatus' if succeeded else 'FailedActionStatus'}"
    return {"actionStatus": status, **({} if succeeded else {"error": reason})}


def _tools(record: Record) -> Iterator[Entity]:
    for tool in record.tools:
        name, _, version = tool.partition(" ")
        yield {"@id": _tool_id(tool), "@type": "SoftwareApplication", "name": name, "softwareVersion": version}


def _rules(record: Record) -> Iterator[Entity]:
    for name in sorted({run.rule for run in record.runs}):
        images = sorted({image for run in record.runs if run.rule == name for image in run.images})
        yield {
            "@id": _rule_id(name),
            "@type": "SoftwareApplication",
            "name": name,
            "description": f"A rule of the pipeline, in {', '.join(images)}.",
            "softwareVersion": record.workload.version,
        }


def _inputs(record: Record) -> Iterator[Entity]:
    given = {one.member: one for one in record.workload.inputs}
    for member, sha256 in record.inputs.items():
        entity: Entity = {"@id": _input_id(member), "@type": "CreativeWork", "name": member, "sha256": sha256}
        one = given.get(member)
        if one is not None and one.url is not None:
            entity["url"] = shown(one.url).partition("?")[0]  # what follows may be a secret of somebody's storage
        if one is not None and one.size is not None:
            entity["contentSize"] = str(one.size)
        yield entity


def _result(one: Result) -> Entity:
    kind = mimetypes.guess_type(one.name)[0] or "application/octet-stream"
    about = {"contentSize": str(one.size), "encodingFormat": kind, "sha256": one.sha256}
    return {"@id": _id(one), "@type": "File", "name": one.name, **about}


def _parameters(record: Record) -> Iterator[Entity]:
    for name, value in record.workload.parameters.items():
        shown_value = value if isinstance(value, str) else json.dumps(value)
        yield {"@id": _parameter_id(name), "@type": "PropertyValue", "name": name, "value": shown_value}


def _process(number: int, run: Run, agent: Entity) -> Iterator[Entity]:
    own = _process_id(number)
    used = {"CPU time": (round(run.cpu_s, 3), "SEC"), "most memory": (run.peak_bytes, "AD")}
    yield {
        "@id": own,
        "@type": "CreateAction",
        "name": run.name,
        "description": f"Attempt {run.attempts}, at the site {run.site}.",
        "instrument": {"@id": _rule_id(run.rule)},
        **agent,
        "startTime": _moment(run.start_us),
        "endTime": _moment(run.end_us),
        **_status(run.succeeded, run.state),
        "resourceUsage": [{"@id": f"{own}-{quote(name)}"} for name in used],
    }
    for name, (value, unit) in used.items():  # units by their UN/CEFACT codes: seconds, bytes
        one = {"@id": f"{own}-{quote(name)}", "@type": "PropertyValue", "name": name}
        yield {**one, "value": str(value), "unitCode": unit}


def _moment(at_us: int) -> str:
    """As the profile wants it: milliseconds, and the offset in digits."""
    return datetime.fromtimestamp(at_us / MICROSECONDS, UTC).isoformat(timespec="milliseconds")


def _id(one: Result) -> str:
    return quote(one.name)


def _input_id(member: str) -> str:
    return f"#input/{quote(member)}"


def _parameter_id(name: str) -> str:
    return f"#parameter/{quote(name)}"


def _process_id(number: int) -> str:
    return f"#process-{number}"


def _rule_id(name: str) -> str:
    return f"#rule/{quote(name)}"


def _tool_id(tool: str) -> str:
    return f"#tool/{quote(tool)}"
