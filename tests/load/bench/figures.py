"""The figures of a whole run: what they are called, what they ought to be, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

Result = Mapping[str, Any]
OURS = "scorer.tasuki_eps"


@dataclass(frozen=True)
class Target:
    """`least` or `most`, or ours `times` the figure."""

    least: float | None = None
    most: float | None = None
    times: float | None = None

    def __str__(self) -> str:
        if self.times is not None:
            return f"ours ≥ {self.times:g} ×"
        return f"≥ {self.least:,}" if self.least is not None else f"≤ {self.most:,}"

    def met(self, value: float, ours: float | None) -> bool | None:
        """None where ours is missing."""
        if self.times is not None:
            return None if ours is None else ours >= self.times * value
        return value >= self.least if self.least is not None else value <= (self.most or 0)


@dataclass(frozen=True)
class Figure:
    """`path` is its place in the result, with dots."""

    path: str
    title: str
    unit: str
    target: Target | None = None

    @property
    def section(self) -> str:
        return self.path.partition(".")[0]

    def of(self, result: Result) -> float | None:
        return lookup(result, self.path)

    def ratio(self, result: Result) -> float | None:
        """Ours as a multiple of it, where that is compared."""
        value, ours = self.of(result), lookup(result, OURS)
        return ours / value if self.target and self.target.times is not None and value and ours else None

    def met(self, result: Result) -> bool | None:
        """None without a target or a figure."""
        value = self.of(result)
        return None if value is None or self.target is None else self.target.met(value, lookup(result, OURS))


FIGURES = [
    Figure(OURS, "Tasuki, exactly-once", "events/s"),
    Figure("scorer.stock_faust_eps", "stock Faust", "events/s", Target(times=10)),
    Figure("scorer.quix_eps", "Quix Streams", "events/s", Target(times=2)),
    Figure("scorer.kafka_streams_eps", "Kafka Streams, exactly_once_v2", "events/s", Target(times=1)),
    Figure("scorer.ceiling_eps", "ceiling: consume, decode, produce", "events/s", Target(times=0.5)),
    Figure("ingest.batch_eps", "batches of 100", "events/s", Target(least=40_000)),
    Figure("ingest.single_rps", "single events", "requests/s", Target(least=4_000)),
    Figure("ingest.single_p99_ms", "p99 at half of that", "ms", Target(most=50)),
    Figure("ingest.bare_rps", "bare FastAPI route", "requests/s"),
    Figure("ingest.aiokafka_eps", "aiokafka's producer alone", "events/s"),
    Figure("ingest.senders_rps", "what the senders could do", "requests/s"),
    Figure("router.updates_per_s", "score updates", "updates/s", Target(least=10_000)),
    Figure("e2e.rate", "steady rate", "events/s", Target(least=990)),
    Figure("e2e.p50_ms", "POST to hand-off, p50", "ms", Target(most=50)),
    Figure("e2e.p99_ms", "POST to hand-off, p99", "ms", Target(most=250)),
    Figure("e2e.max_ms", "POST to hand-off, slowest", "ms"),
    Figure("recovery.leads", "leads restored", "", Target(least=1_000_000)),
    Figure("recovery.seconds", "start until ready", "s", Target(most=60)),
    Figure("recovery.bytes_per_lead", "memory per lead", "bytes"),
    Figure("recovery.kafka_bytes_per_lead", "log in Kafka per lead", "bytes"),
    Figure("scale.one_eps", "one worker", "events/s"),
    Figure("scale.two_eps", "two workers", "events/s"),
    Figure("scale.flat.last_over_first", "processor time per event, most leads : fewest", "×"),
]
SECTIONS = list(dict.fromkeys(figure.section for figure in FIGURES))


def lookup(result: Result, path: str) -> float | None:
    """The figure at `path`; None where there is none."""
    found: Any = result
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def targets(result: Result) -> dict[str, dict[str, Any]]:
    """Every target, the figure it is about, and whether it is met (None: no figure)."""
    return {
        figure.path: {
            "target": str(figure.target),
            "value": figure.of(result),
            "ours_times": None if (ratio := figure.ratio(result)) is None else round(ratio, 2),
            "met": figure.met(result),
        }
        for figure in FIGURES
        if figure.target
    }


COLUMNS = ("section", "what", "figure", "unit", "Tasuki is", "target", "met")


def rows(result: Result) -> Iterator[tuple[str, ...]]:
    """The table's lines, in `COLUMNS`; of sections that were measured, or failed."""
    errors = result.get("errors", {})
    for section in SECTIONS:
        if isinstance(result.get(section), Mapping):
            yield from (_row(figure, result) for figure in FIGURES if figure.section == section)
        if section in errors:
            yield (section, "FAILED: " + str(errors[section]).strip().splitlines()[0], *[""] * 5)


def _row(figure: Figure, result: Result) -> tuple[str, ...]:
    value, ratio, met = figure.of(result), figure.ratio(result), figure.met(result)
    return (
        figure.section,
        figure.title,
        "–" if value is None else f"{value:,}",
        figure.unit,
        "" if ratio is None else f"{ratio:.2f} ×",
        str(figure.target or ""),
        "" if met is None else ("yes" if met else "NO"),
    )


def table(result: Result) -> Table:
    """For the screen."""
    shown = Table(title=_where(result), title_justify="left")
    for name in COLUMNS:
        shown.add_column(name, justify="right" if name in {"figure", "Tasuki is"} else "left")
    last = ""
    for section, *rest in rows(result):
        if last not in ("", section):
            shown.add_section()
        shown.add_row("" if section == last else section, *rest)
        last = section
    return shown


def markdown(result: Result) -> str:
    """For the documentation."""
    lines = [_where(result), "", f"| {' | '.join(COLUMNS)} |", "|---|---|---:|---|---:|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows(result)]
    return "\n".join(lines) + "\n"


def _where(result: Result) -> str:
    machine = result["machine"]
    size = "small sizes (QUICK), " if result["quick"] else ""
    return (
        f"{size}{result['began'][:10]}, commit {result['commit']}, {machine['cpus']} × {machine['cpu']}, "
        f"{result['parts']}, Python {result['versions']['python']}"
    )
