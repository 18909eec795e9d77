"""Write about ``BINS`` intervals of equal width over a genome: bins.py INDEX OUTPUT.

INDEX is a .fai; OUTPUT is BED whose fourth column is the width, which the last bin of a contig may not reach.
"""

from __future__ import annotations

import sys
from pathlib import Path

from regions import contigs_of

BINS = 600  # about as many as a plot has columns


def main() -> None:
    index, target = sys.argv[1:]
    contigs = contigs_of(index)
    width = max(1, -(-sum(contigs.values()) // BINS))
    rows = [
        f"{contig}\t{start}\t{min(length, start + width)}\t{width}\n"
        for contig, length in contigs.items()
        for start in range(0, length, width)
    ]
    Path(target).write_text("".join(rows))


if __name__ == "__main__":
    main()
