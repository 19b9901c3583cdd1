"""A verdict for people (a table) and for machines (JSON)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from tests.fault.campaign import Verdict
from tests.fault.judge import summary


def table(verdict: Verdict) -> str:
    """Faults with their recovery times, then the promises."""
    lines = [f"{'fault':<44} {'at event':>9} {'lasted':>8} {'recovery':>9}  result"]
    for one in verdict.happened:
        recovery = "never" if one.recovered is None else f"{one.recovered:.1f} s"
        lines.append(f"{one.fault!s:<44} {one.at:>9} {one.lasted:>6.1f} s {recovery:>9}  {one.note or 'recovered'}")
    lines += [
        "",
        f"seed {verdict.seed}: {verdict.acknowledged} events of {verdict.leads} leads, {verdict.copies} of them stored "
        f"more than once, {verdict.handoffs} hand-offs, {len(verdict.happened)} faults in {verdict.seconds:.0f} s",
        *summary(verdict.broken),
        "the result is " + ("exactly as without faults" if verdict.holds else "WRONG"),
    ]
    return "\n".join(lines)


def write(verdict: Verdict, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(verdict) | {"holds": verdict.holds}, ensure_ascii=False, indent=1) + "\n")
