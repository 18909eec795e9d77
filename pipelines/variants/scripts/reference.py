"""Check a reference FASTA, write it plain, and index it for samtools, freebayes and bwa.

reference.py FASTA OUTPUT    writes OUTPUT, OUTPUT.fai and bwa's five files beside it
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from unusable import Unusable, name_of, tell

# The letters of IUPAC for nucleotides; bwa reads any but A, C, G and T as N.
LETTERS = b"ACGTUNRYSWKMBDHVacgtunryswkmbdhv"
GZIP_MAGIC = b"\x1f\x8b"
SHOWN = 40


def main() -> None:
    source, target = sys.argv[1:]
    with Path(target).open("wb") as output:
        write_checked(source, output)
    subprocess.run(["samtools", "faidx", target], check=True)
    subprocess.run(["bwa", "index", target], check=True, stderr=subprocess.DEVNULL)


def write_checked(source: str, output: BinaryIO) -> None:
    """Copy the sequences without blank lines and carriage returns; Unusable says what is wrong and where."""
    known: set[bytes] = set()
    name, bases = b"", 0
    for number, line in lines_of(source):
        if line.startswith(b">"):
            check_length(source, name, bases)
            name, bases = (line[1:].split() or [b""])[0], 0
            check_name(source, number, name, known)
        elif not name:
            raise Unusable(f"{name_of(source)} is no FASTA: line {number} is {shown(line)}, not '>name'.")
        else:
            bases += check_letters(source, number, line)
        output.write(line + b"\n")
    if not known:
        raise Unusable(f"{name_of(source)} is empty: a reference needs at least one sequence.")
    check_length(source, name, bases)


def lines_of(source: str) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers, without blank ones, of a plain or gzipped file."""
    with Path(source).open("rb") as probe:
        packed = probe.read(2) == GZIP_MAGIC
    with closing(gzip.open(source, "rb") if packed else Path(source).open("rb")) as file:
        try:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.strip()
        except EOFError:
            raise Unusable(f"{name_of(source)} is truncated: its gzip stream has no end.") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise Unusable(f"{name_of(source)} is damaged: {error}.") from None


def check_name(source: str, number: int, name: bytes, known: set[bytes]) -> None:
    """Names are what calls refer to: there must be one, and only once."""
    if not name:
        raise Unusable(f"{name_of(source)} has a sequence without a name in line {number}.")
    if name in known:
        raise Unusable(f"{name_of(source)} has two sequences named {name.decode(errors='replace')}.")
    known.add(name)


def check_letters(source: str, number: int, line: bytes) -> int:
    """The number of bases in a line of sequence."""
    strange = line.translate(None, LETTERS)
    if strange:
        raise Unusable(
            f"{name_of(source)} is no nucleotide FASTA: line {number} holds {shown(strange[:1])} in {shown(line)}."
        )
    return len(line)


def check_length(source: str, name: bytes, bases: int) -> None:
    """No tool can use a sequence of no length."""
    if name and not bases:
        raise Unusable(f"{name_of(source)} has no bases in sequence {name.decode(errors='replace')}.")


def shown(line: bytes) -> str:
    """A line as an error message can hold it."""
    return repr(line[:SHOWN].decode(errors="replace"))


if __name__ == "__main__":
    tell(main)
