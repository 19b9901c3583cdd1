"""`python -m tests.fault.control`: the same faults with stock Faust tables instead of our scorer.

Counts the leads whose score ends wrong. With our scorer there is none; what is printed here is what our measures
are worth.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.fault.cluster import Commands, python_module, usual_command
from tests.fault.run import run_campaign
from tests.fault.schedule import Fault

SCHEDULE = [
    Fault("kill", 2_000, "scorer-0"),
    Fault("produce-latency", 4_000, seconds=8.0, amount=0.15),
    Fault("kill", 6_000, "scorer-1", amount=0.15),
    Fault("hanging-transaction", 7_500, "scorer-0"),
    Fault("zombie", 9_000, "scorer-0", 13.0, 0.15),
    Fault("hanging-transaction", 11_000, "scorer-1"),
    Fault("broker", 12_500, seconds=1.0),
    Fault("kill-all", 14_000, "scorer"),
]
EVENTS = 18_000
PATIENCE = 45.0
SCORES = "scores equal the oracle's"


def stock(guarantee: str) -> Commands:
    return lambda service: (
        python_module("tests.fault.stock", guarantee) if service == "scorer" else usual_command(service)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=250.0)
    parser.add_argument("scorers", nargs="*", default=["at_least_once", "exactly_once", "ours"])
    given = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")

    sys.stdout.write(f"{'scorer':<20} {'leads':>6} {'wrong scores':>13} {'lost or repeated records':>25}  drained\n")
    for name in given.scorers:
        commands = usual_command if name == "ours" else stock(name)
        verdict = run_campaign(given.seed, EVENTS, SCHEDULE, given.rate, say, commands, patience=PATIENCE)
        wrong = len(verdict.broken[SCORES])
        order = len(verdict.broken["score records: in order, each once"])
        stuck = "; ".join(verdict.broken["every fault was recovered from, and everything drained"]) or "yes"
        sys.stdout.write(f"{name:<20} {verdict.leads:>6} {wrong:>13} {order:>25}  {stuck}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
