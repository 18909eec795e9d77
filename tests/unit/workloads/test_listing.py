"""The page of downloads, and bodies of the API."""

from __future__ import annotations

import re
from typing import Any

import pytest

from penstock.tasks.models import Progress
from penstock.uploads.models import Received, Upload
from penstock.workloads.listing import listing_document, listing_page, size_text
from penstock.workloads.models import InputFile, Result, State, Workload
from penstock.workloads.views import Look, workload_body

HOSTILE = '"><script>alert(1)</script>&amp;'


def workload(**more: Any) -> Workload:
    values: dict[str, Any] = {
        "id": "w",
        "owner": "ada",
        "name": "",
        "pipeline": "variants",
        "version": "1.0",
        "parameters": {},
        "state": State.SUCCEEDED,
        "reason": "",
        "sequence": 7,
        "created_us": 0,
        "updated_us": 1_700_000_000_000_000,
        "expires_us": None,
        "results": (Result(name="a/b c.txt", size=1500, sha256="0" * 64),),
    }
    return Workload(**{**values, **more})


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_every_name_on_the_page_is_escaped() -> None:
    results = (Result(name=HOSTILE, size=1, sha256="0" * 64),)
    page = listing_page(workload(name=HOSTILE, reason=HOSTILE, pipeline=HOSTILE, version=HOSTILE, results=results))
    assert "<script>" not in page
    assert page.count("&lt;script&gt;") == 6  # the title twice


def test_links_of_the_page_are_relative_and_quoted() -> None:
    links = re.findall('href="([^"]*)"', listing_page(workload()))
    assert links == ["results.tar.zst", "manifest.sha256", "files/a/b%20c.txt"]


def test_an_unfinished_workload_offers_nothing() -> None:
    running = workload(state=State.RUNNING, results=())
    assert "href" not in listing_page(running)
    assert listing_document(running) == {"id": "w", "state": "RUNNING", "reason": "", "results": []}


def test_a_document_names_archive_manifest_and_files() -> None:
    document = listing_document(workload())
    assert (document["archive"], document["manifest"]) == ("results.tar.zst", "manifest.sha256")
    assert document["results"] == [{"name": "a/b c.txt", "size": 1500, "sha256": "0" * 64, "url": "files/a/b%20c.txt"}]


def upload(role: str, name: str, size: int) -> Upload:
    return Upload("u", "ada", "w", role, name, size, "0" * 64, complete=False, created_us=0, touched_us=0)


def body(state: State, *received: Received) -> dict[str, Any]:
    given = (
        InputFile(role="text", name="a", size=10, sha256="0" * 64),
        InputFile(role="text", name="b", url="file:///x"),
    )
    look = Look(workload(state=state, inputs=given), received, Progress(total=3), 0)
    return workload_body(look, "http://x").model_dump(mode="json")


def test_an_input_tells_how_much_of_it_has_arrived() -> None:
    shown = body(State.UPLOADING, Received(upload("text", "a", 10), 4))
    assert [one["received"] for one in shown["inputs"]] == [4, 0]
    assert shown["uploads"] == [{"role": "text", "name": "a", "size": 10, "offset": 4, "url": "http://x/uploads/u"}]


def test_a_bundles_inputs_arrive_when_it_is_unpacked() -> None:
    bundle = Received(upload("bundle", "inputs.tar", 2048), 2048)
    assert [one["received"] for one in body(State.UPLOADING, bundle)["inputs"]] == [0, 0]
    assert [one["received"] for one in body(State.RUNNING, bundle)["inputs"]] == [10, 0]


def test_a_body_has_every_field_of_the_interface() -> None:
    shown = body(State.SUCCEEDED)
    assert set(shown) == {
        *("id", "owner", "name", "pipeline", "version", "parameters", "state", "reason", "sequence", "bytes", "files"),
        *(
            "created_at",
            "updated_at",
            "expires_at",
            "warned_at",
            "results_to",
            "results_sent_at",
            "inputs",
            "uploads",
            "progress",
            "results",
            "url",
            "download",
        ),
    }
    assert shown["created_at"] == "1970-01-01T00:00:00.000000Z"
    assert shown["results"][0]["url"] == "http://x/download/w/files/a/b%20c.txt"
    assert shown["progress"]["total"] == 3
