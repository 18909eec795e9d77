"""A workload that has ended, with names that somebody hostile might choose."""

from __future__ import annotations

from penstock.workloads.models import InputFile, Result, State, Workload
from penstock.workloads.record import Phase, Record, Run

HOSTILE = "<script>alert(1)</script>\"'&]]>"
SECOND = 1_000_000


def run(name: str, start_s: float, end_s: float, **more: object) -> Run:
    """A process; it asked for its turn half a second before it began."""
    values: dict[str, object] = {
        "name": name,
        "rule": name.partition("[")[0],
        "state": "COMPLETE",
        "asked_us": round((start_s - 0.5) * SECOND),
        "start_us": round(start_s * SECOND),
        "end_us": round(end_s * SECOND),
        "cpu_s": (end_s - start_s) / 2,
        "peak_bytes": 200_000_000,
        "cpu_cores": 1.0,
        "ram_bytes": 1_000_000_000,
        "attempts": 1,
        "site": "local",
        "images": ("penstock/tools:1",),
    }
    return Run(**{**values, **more})  # type: ignore[arg-type]


WORKLOAD = Workload(
    id="01m7zfb0xvhpnzqtba26y0gyk4",
    owner="ada",
    name=HOSTILE,
    pipeline="variants",
    version="1",
    parameters={"ploidy": 2, HOSTILE: HOSTILE},
    state=State.PACKING,
    reason="",
    sequence=1,
    created_us=SECOND,
    updated_us=SECOND,
    expires_us=None,
    inputs=(
        InputFile(role="bam", name=HOSTILE.replace("/", "_"), size=3, sha256="1" * 64),
        InputFile(role="ref", name="r.fa", url="https://ada:password@example.org/r.fa?token=secret"),
    ),
)
RECORD = Record(
    workload=WORKLOAD,
    title=HOSTILE,
    digest="d" * 64,
    state="SUCCEEDED",
    reason="",
    ended_us=13 * SECOND,
    inputs={WORKLOAD.inputs[0].member: "1" * 64, "ref/r.fa": "2" * 64},
    results=(Result(name="calls of a.vcf.gz", size=5, sha256="3" * 64), Result(name=HOSTILE, size=5, sha256="4" * 64)),
    runs=(run("align[a]", 2, 9), run(HOSTILE, 9, 12, attempts=2, site=HOSTILE)),
    phases=(Phase("UPLOADING", SECOND, 2 * SECOND), Phase("RUNNING", 2 * SECOND, 13 * SECOND)),
    tools=("bwa 0.7.17", f"samtools {HOSTILE}"),
)
