"""`python -m tests.fault.soak --minutes 30`: a steady load and no faults; memory, files and lag must stay level.

The curves are in build/soak.json, and as lines on standard output.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from tests.fault import report
from tests.fault.campaign import Sample, Verdict
from tests.fault.run import BUILD, run_campaign

POINTS = 60
BARS = "▁▂▃▄▅▆▇█"


def curves(samples: Sequence[Sample]) -> dict[str, list[float]]:
    """By name: lag in events, and each worker's megabytes and files, over time."""
    found: dict[str, list[float]] = {"lag": [float(sample.waiting) for sample in samples if sample.waiting is not None]}
    for sample in samples:
        for name, size in sample.sizes.items():
            if size is not None:
                found.setdefault(f"{name} MB", []).append(size.megabytes)
                found.setdefault(f"{name} files", []).append(size.files)
    return found


def drawn(values: Sequence[float]) -> str:
    """A line of bars with the first, the last and the greatest value."""
    step = max(1, len(values) // POINTS)
    means = [mean(values[start : start + step]) for start in range(0, len(values), step)]
    top = max(*means, 1e-9)
    bars = "".join(BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] for value in means)
    return f"{bars}  first {values[0]:.0f}, last {values[-1]:.0f}, most {max(values):.0f}"


def show(verdict: Verdict, path: Path) -> str:
    found = curves(verdict.samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"holds": verdict.holds, "curves": found}, indent=1) + "\n")
    return "\n".join(f"{name:<16} {drawn(values)}" for name, values in sorted(found.items()) if values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=300.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")

    verdict = run_campaign(given.seed, int(given.minutes * 60 * given.rate), [], given.rate, say)
    sys.stdout.write(show(verdict, BUILD / "soak.json") + "\n\n" + report.table(verdict) + "\n")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
