"""What a user who gave a wrong file is told: the last line of the first process's stderr."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.pipelines.examples import fetch
from penstock.pipelines.service import BUILT_IN

SCRIPTS = BUILT_IN.resolve() / "variants" / "scripts"
HEADER = "@HD\tVN:1.6\n@SQ\tSN:17\tLN:4200\n"
GROUP = "@RG\tID:g\tSM:anna\n"
READ = "r1\t0\t17\t10\t60\t4M\t*\t0\t0\tACGT\tIIII{tags}\n"
FASTQ = "@r1\nACGT\n+\nIIII\n"


def run_script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def check_reads(tmp_path: Path, *, reads: tuple[Path, ...] = (), bam: tuple[Path, ...] = ()) -> str:
    """The last line that the check of reads says."""
    done = run_script(
        "reads",
        *("--reads", *reads, "--bam", *bam, "--reference", fetch("human")["reference"][0]),
        *("--chunks", tmp_path / "chunks", "--plan", tmp_path / "plan.json"),
        *("--batch-bases", 1000, "--chunk-bases", 1000, "--most-jobs", 4),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "plan.json").exists()
    return done.stderr.splitlines()[-1]


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def make_bam(path: Path, sam: str) -> Path:
    subprocess.run(["samtools", "view", "-o", path, "-"], input=sam, text=True, check=True, capture_output=True)
    return path


def test_a_truncated_gzip_is_told_by_name(tmp_path: Path) -> None:
    whole = gzip.compress((FASTQ * 5000).encode())
    first, second = put(tmp_path / "a_1.fq.gz", whole[:-30]), put(tmp_path / "a_2.fq.gz", whole)
    told = check_reads(tmp_path, reads=(first, second))
    assert told.startswith("error: a_1.fq.gz is truncated: its gzip stream has no end")


def test_a_pair_of_unequal_counts_is_told_with_both_names_and_counts(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a_1.fq", FASTQ * 3), put(tmp_path / "a_2.fq", FASTQ * 2)
    told = check_reads(tmp_path, reads=(first, second))
    assert told == "error: a_1.fq has 3 records and a_2.fq has 2: the two files of a pair must have as many."


def test_a_large_pair_of_unequal_counts_is_told_alike_while_it_is_cut(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a_1.fq", FASTQ * 3000), put(tmp_path / "a_2.fq", FASTQ * 2000)
    told = check_reads(tmp_path, reads=(first, second))
    assert told == "error: a_1.fq has 3000 records and a_2.fq has 2000: the two files of a pair must have as many."


def test_reads_without_a_record_are_told(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a_1.fq", ""), put(tmp_path / "a_2.fq", "")
    assert check_reads(tmp_path, reads=(first, second)) == "error: a_1.fq and a_2.fq hold no reads."


def test_a_lone_file_is_told(tmp_path: Path) -> None:
    lone = put(tmp_path / "a_1.fq", FASTQ)
    told = check_reads(tmp_path, reads=(lone,))
    assert told == "error: There are 1 files of reads; give two for each pair (a_1.fq is alone)."


def test_no_reads_at_all_are_told(tmp_path: Path) -> None:
    assert check_reads(tmp_path) == "error: There are no reads."


def test_a_bam_without_read_groups_is_told(tmp_path: Path) -> None:
    bam = make_bam(tmp_path / "a.bam", HEADER + READ.format(tags=""))
    assert check_reads(tmp_path, bam=(bam,)).startswith("error: a.bam has no read groups, so its reads belong to no")


def test_a_read_group_without_a_sample_is_told(tmp_path: Path) -> None:
    bam = make_bam(tmp_path / "a.bam", HEADER + "@RG\tID:g\n" + READ.format(tags="\tRG:Z:g"))
    assert check_reads(tmp_path, bam=(bam,)).startswith("error: a.bam has a read group without ID or sample (SM)")


def test_reads_outside_every_read_group_are_told_with_their_number(tmp_path: Path) -> None:
    sam = HEADER + GROUP + READ.format(tags="\tRG:Z:g") + READ.format(tags="").replace("r1", "r2")
    told = check_reads(tmp_path, bam=(make_bam(tmp_path / "a.bam", sam),))
    assert told == "error: a.bam has 1 of 2 reads that belong to no read group."


def test_a_bam_without_reads_is_told(tmp_path: Path) -> None:
    bam = make_bam(tmp_path / "a.bam", HEADER + GROUP)
    assert check_reads(tmp_path, bam=(bam,)) == "error: a.bam holds no reads."


def test_a_truncated_bam_is_told(tmp_path: Path) -> None:
    content = fetch("human")["bam"][0].read_bytes()
    told = check_reads(tmp_path, bam=(put(tmp_path / "a.bam", content[: len(content) // 2]),))
    assert told.startswith("error: a.bam is no whole BAM or CRAM file: ")
    assert str(tmp_path) not in told


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bnonsense", b"just text"])
def test_what_is_no_bam_is_told(tmp_path: Path, content: bytes) -> None:
    told = check_reads(tmp_path, bam=(put(tmp_path / "a.bam", content),))
    assert told.startswith("error: a.bam is ")


def test_a_bam_whose_middle_is_damaged_is_told(tmp_path: Path) -> None:
    content = bytearray(fetch("human")["bam"][0].read_bytes())
    content[len(content) // 2] ^= 0xFF
    told = check_reads(tmp_path, bam=(put(tmp_path / "a.bam", bytes(content)),))
    assert told.startswith("error: a.bam cannot be read: ")


def test_a_cram_of_another_reference_is_told(tmp_path: Path) -> None:
    other = put(tmp_path / "other.fa", ">else\n" + "ACGTTGCA" * 20 + "\n")
    sam = "@SQ\tSN:else\tLN:160\n" + GROUP + READ.format(tags="\tRG:Z:g").replace("\t17\t", "\telse\t")
    cram = tmp_path / "a.cram"
    command = ["samtools", "view", "-C", "-T", str(other), "-o", str(cram), "-"]
    subprocess.run(command, input=sam, text=True, check=True, capture_output=True)
    other.unlink()
    assert check_reads(tmp_path, bam=(cram,)).startswith("error: a.cram cannot be read: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "error: ref.fa is empty: a reference needs at least one sequence."),
        (FASTQ, "error: ref.fa is no FASTA: line 1 is '@r1', not '>name'."),
    ],
)
def test_a_wrong_reference_is_told(tmp_path: Path, content: str, says: str) -> None:
    done = run_script("reference", put(tmp_path / "ref.fa", content), tmp_path / "genome.fa")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == says
