"""`python -m tests.fault.run --seed 1 --events 300000 --faults 20`: the fault suite; exit code 1 if a promise breaks.

The table is on standard output, and with the samples in build/chaos-<seed>.json.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fault import report
from tests.fault.campaign import PATIENCE_SECONDS, Campaign, Verdict
from tests.fault.cluster import Commands, start_cluster, usual_command
from tests.fault.schedule import SHORT, Fault, generate
from tests.fault.stories import tell

SHORT_EVENTS = 18_000
BUILD = Path(__file__).parents[2] / "build"

Say = Callable[[str], None]


def run_campaign(  # noqa: PLR0913, PLR0917 - what a campaign is made of
    seed: int,
    events: int,
    faults: Sequence[Fault],
    rate: float,
    say: Say,
    commands: Commands = usual_command,
    repeating: bool = True,
    patience: float = PATIENCE_SECONDS,
) -> Verdict:
    """One campaign on a cluster of its own. Where something broke, the logs stay beside the report."""
    stories = tell(seed, events)
    with start_cluster(say, commands) as cluster:
        try:
            verdict = asyncio.run(Campaign(cluster, stories, faults, rate, seed, say, repeating, patience).run())
        except BaseException:
            _keep_logs(cluster.directory, seed, say)
            raise
        if not verdict.holds:
            _keep_logs(cluster.directory, seed, say)
    return verdict


def _keep_logs(directory: Path, seed: int, say: Say) -> None:
    kept = BUILD / f"chaos-{seed}-logs"
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for log in directory.glob("*.log"):
        shutil.copy(log, kept)
    say(f"the workers' logs: {kept}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--faults", type=int, default=20)
    parser.add_argument("--rate", type=float, default=600.0, help="calls a second")
    parser.add_argument("--short", action="store_true", help="the schedule of continuous integration")
    parser.add_argument("--plan", action="store_true", help="print the schedule and exit")
    given = parser.parse_args()
    events = SHORT_EVENTS if given.short else given.events
    faults = SHORT if given.short else generate(given.seed, events, given.faults)
    if given.plan:
        sys.stdout.write("".join(f"{fault.at:>8}  {fault}\n" for fault in faults))
        return 0
    began = time.monotonic()
    # Our own clients meet every fault too; what they think of it is of no interest.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")

    verdict = run_campaign(given.seed, events, faults, given.rate, say)
    sys.stdout.write(report.table(verdict) + "\n")
    report.write(verdict, BUILD / f"chaos-{given.seed}.json")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
