"""Align the parts of one job with bwa mem, and sort what comes out by position.

A scattered alignment must equal the whole one. bwa breaks ties between equally good places by a hash of the read's
number in its input (mem_mark_primary_se, mem_pair), so a chunk from the middle would break them differently. It is
therefore given as many reads without any base as came before it, which are dropped again.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

FILLER = "penstock.filler"
BLOCK = 10_000


def main() -> None:
    arguments = parsed()
    with tempfile.TemporaryDirectory() as scratch:
        sorting = ["samtools", "sort", "-@", str(arguments.threads), "-m", "256M", "-T", f"{scratch}/sort"]
        fixing = ["samtools", "fixmate", "-m", "-u", "-", "-"]
        fixmate = subprocess.Popen(fixing, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        sort = subprocess.Popen([*sorting, "-o", arguments.output, "-"], stdin=fixmate.stdout, stderr=subprocess.PIPE)
        assert fixmate.stdin  # noqa: S101 - asked for above, as are the next
        assert fixmate.stdout  # noqa: S101
        assert sort.stderr  # noqa: S101
        fixmate.stdout.close()
        codes = [align(part, arguments, fixmate.stdin, scratch, number) for number, part in enumerate(arguments.job)]
        fixmate.stdin.close()
        complaint = sort.stderr.read().decode(errors="replace")
        if any([*codes, fixmate.wait(), sort.wait()]):
            sys.exit(f"{complaint}\nThe alignment failed.")


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reference")
    parser.add_argument("--group", help="the @RG line")
    parser.add_argument("--job", type=json.loads, help='JSON: [{"files": […], "skip": N}, …]')
    parser.add_argument("--batch-bases", type=int)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output")
    return parser.parse_args()


def align(part: dict[str, Any], arguments: argparse.Namespace, target: IO[bytes], scratch: str, number: int) -> int:
    """One run of bwa mem into ``target``, as SAM; the header comes with the first part only."""
    files = filled(part, arguments.batch_bases, f"{scratch}/{number}") if part["skip"] else part["files"]
    command = ["bwa", "mem", "-v", "1", "-t", str(arguments.threads), "-K", str(arguments.batch_bases)]
    command += ["-R", arguments.group, arguments.reference, *files]
    bwa = subprocess.Popen(command, stdout=subprocess.PIPE)
    header = [] if number else ["-h"]
    keep = ["samtools", "view", "--no-PG", *header, "-e", f'qname != "{FILLER}"', "-"]
    view = subprocess.Popen(keep, stdin=bwa.stdout, stdout=target)
    assert bwa.stdout  # noqa: S101 - it was asked for above
    bwa.stdout.close()
    return view.wait() or bwa.wait()


def filled(part: dict[str, Any], batch_bases: int, prefix: str) -> list[str]:
    """Pipes that give the part's files with ``skip`` reads of N before them."""
    pipes = []
    for side, file in enumerate(part["files"]):
        pipe = f"{prefix}.{side}"
        os.mkfifo(pipe)
        reads = part["skip"] // len(part["files"])
        threading.Thread(target=feed, args=(pipe, file, reads, batch_bases // len(part["files"]))).start()
        pipes.append(pipe)
    return pipes


def feed(pipe: str, file: str, reads: int, batch_bases: int) -> None:
    """Write the fillers, then the file; bwa may end before it has read all."""
    try:
        with Path(pipe).open("wb") as output, Path(file).open("rb") as rest:
            output.writelines(fillers(reads, batch_bases))
            shutil.copyfileobj(rest, output, 1 << 20)
    except BrokenPipeError:
        pass


def fillers(reads: int, batch_bases: int) -> Iterator[bytes]:
    """``reads`` records of N whose last one ends a batch: the reads after them stand at a batch's beginning."""
    while reads > 0:
        in_batch = min(reads, batch_bases)
        length = batch_bases // in_batch
        record = f">{FILLER}\n{'N' * length}\n".encode()
        for written in range(0, in_batch - 1, BLOCK):
            yield record * min(BLOCK, in_batch - 1 - written)
        yield f">{FILLER}\n{'N' * (batch_bases - length * (in_batch - 1))}\n".encode()
        reads -= in_batch


if __name__ == "__main__":
    main()
