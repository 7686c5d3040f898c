"""`make bench`: this machine's figures, each beside what it is measured against, in one run.

Belongs here: which benchmarks there are. Not here: any of them.
"""

from __future__ import annotations

import sys

from benchmarks.lake import loads
from benchmarks.publisher import backfill, latency, throughput, writers

BENCHMARKS = {
    "writers": writers.main,
    "throughput": throughput.main,
    "latency": latency.main,
    "backfill": backfill.main,
    "lake": loads.main,
}


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    unknown = sorted(set(wanted) - set(BENCHMARKS))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    for name in wanted:
        BENCHMARKS[name]()
        print()


if __name__ == "__main__":
    main()
