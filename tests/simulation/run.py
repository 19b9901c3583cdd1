"""Two years of business in simulated time, looked at at every step.

    python -m tests.simulation.run --leads 3000 --seed 1
    python -m tests.simulation.run --playbook mine.yaml --compare before.yaml --csv build/load.csv

Ends with an error at the first step at which a law does not hold, and says which and of which lead."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import perf_counter

from services.router.lifecycle.rules import Rules
from tests.simulation import report
from tests.simulation.business import Business
from tests.simulation.chronicle import Chronicle
from tests.simulation.company import staffed_company
from tests.simulation.laws import Broken
from tests.simulation.scenario import START, Scenario


def main() -> None:
    given = _arguments()
    chronicle, seconds = _play(given.playbook, given)
    _tell(chronicle, given.days, seconds)
    if given.csv:
        given.csv.write_text("\n".join(report.load_csv(chronicle.weeks)) + "\n", "utf-8")
    if given.compare:
        other, _ = _play(given.compare, given)
        say(report.section(f"Load of the same teams by {given.compare}:", report.load(other)))
    elif chronicle.business.rules.valves:
        for title, asks, with_valves in (
            ("Load of the same teams without a valve:", True, False),
            ("Where nobody asks to be contacted, with the valve:", False, True),
            ("Where nobody asks to be contacted, without a valve:", False, False),
        ):
            other, _ = _play(given.playbook, given, with_valves=with_valves, asks=asks)
            say(report.section(title, report.load(other)))


def _play(
    playbook: Path | None, given: argparse.Namespace, *, with_valves: bool = True, asks: bool = True
) -> tuple[Chronicle, float]:
    """The history of the seed by a playbook (None: the default one), and how long that has taken in seconds. Unless
    anybody `asks` to be contacted, fewer leads come to field sales, all by their total: then each takes only two."""
    text = playbook.read_text("utf-8") if playbook else None
    company = staffed_company(text, of_field_sales=8 if asks else 2, with_valves=with_valves)
    business = Business(company, START)
    chronicle, started = Chronicle(business, Rules(staffed_company(text))), perf_counter()
    try:
        Scenario(business, seed=given.seed, leads=given.leads, days=given.days, asks=asks).run()
    except Broken as broken:
        sys.exit(f"{business.now:%Y-%m-%d %H:%M:%S.%f} UTC, seed {given.seed}: {broken}")
    return chronicle, perf_counter() - started


def _tell(chronicle: Chronicle, days: int, seconds: float) -> None:
    business = chronicle.business
    say(f"{days} days in {seconds:.0f} s; every law held at every step.")
    say(*report.summary(chronicle))
    say(report.section("Audit, as GET /v1/audit has it:", report.audited(business)))
    say(report.section("Leads that came so far, and share of the stage before:", report.conversion(business)))
    say(
        report.section(
            "Load of each team at the end of each week, ▲ where it is more than the team can take:",
            report.load(chronicle),
        )
    )
    lead_id = report.whole_way(chronicle)
    if lead_id is None:
        say("", "No lead went through all eight stages with a rejection and a recycling: take more leads.")
    else:
        say(report.section(f"{lead_id}, from the first touch:", report.timeline(chronicle, lead_id)))


def say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leads", type=int, default=3000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--playbook", type=Path, help="in place of the default one; people are put into its teams")
    parser.add_argument("--compare", type=Path, help="another playbook: the load of the teams by that one, too")
    parser.add_argument("--csv", type=Path, help="where to write the load of each team by week")
    return parser.parse_args()


if __name__ == "__main__":
    main()
