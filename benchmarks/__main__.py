"""`make bench`: this machine's figures, each beside what it is measured against, in one run.

`python -m benchmarks lake` runs the lake's alone, `python -m benchmarks lake growth erasure` two of them. BENCH_SCALE shrinks the lake's sizes, BENCH_ROUNDS
says how many warm rounds there are.

Belongs here: which benchmarks there are. Not here: any of them.
"""

from __future__ import annotations

import sys
import time

from benchmarks.lake import erasure, growth, increments, loads, merges
from benchmarks.publisher import backfill, latency, throughput, writers

PARTS = {
    "publisher": {
        "writers": writers.main,
        "throughput": throughput.main,
        "latency": latency.main,
        "backfill": backfill.main,
    },
    "lake": {
        "bronze": loads.main,
        "increments": increments.main,
        "growth": growth.main,
        "merges": merges.main,
        "erasure": erasure.main,
    },
}
BENCHMARKS = {name: run for part in PARTS.values() for name, run in part.items()}


def main() -> None:
    for name in chosen(sys.argv[1:]):
        began = time.perf_counter()
        BENCHMARKS[name]()
        print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)


def chosen(words: list[str]) -> list[str]:
    """The benchmarks that the words name: all without a word; all of a part, unless some of it are named as well."""
    unknown = sorted(set(words) - PARTS.keys() - BENCHMARKS.keys())
    if unknown:
        sys.exit(
            f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}, and {' and '.join(PARTS)} for all of theirs."
        )
    whole = {name for word in words if word in PARTS and not PARTS[word].keys() & set(words) for name in PARTS[word]}
    return [name for name in BENCHMARKS if not words or name in words or name in whole]


if __name__ == "__main__":
    main()
