"""All benchmarks, one after the other, on one Kafka and one Postgres: `make bench`.

    python -m tests.load.bench_all [--parts apache] [--quick] [--only scorer,e2e]
    python -m tests.load.bench_all --markdown [docs/benchmarks.md]

Progress goes to standard error, a table to standard output, everything to build/bench.json. A section that fails is
null there, its error stands in `errors` and in the table, the others go on, and the command ends with 1. `--markdown`
measures nothing: it shows the last run's table, or puts it into a file. What is measured and how: docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import platform
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from shared.parts import Parts, PartsError, PartsKind
from tests.load import e2e, ingest_rate, recovery, router_rate, scale, scorer_bench
from tests.load.bench.build import BuildError, Built, build
from tests.load.bench.engines import ENGINES
from tests.load.bench.figures import SECTIONS, markdown, table, targets
from tests.load.bench.parts import durable_parts
from tests.load.bench.service import say
from tests.load.job.events import Size

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "build" / "bench.json"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
LIBRARIES = ("aiokafka", "faust-streaming", "msgspec", "uvloop", "fastapi", "asyncpg")


@dataclass(frozen=True)
class Sizes:
    """How much is measured; the whole takes about half an hour."""

    scorer: Size = field(default_factory=Size)
    ingest_seconds: float = 10
    router_leads: int = 20_000
    router_updates: int = 200_000
    e2e_rate: float = 1000
    e2e_seconds: float = 300
    recovery_leads: int = 1_000_000
    scale: Size = field(default_factory=Size)
    flat_events: int = 400_000
    flat_leads: tuple[int, ...] = (10_000, 100_000, 1_000_000)


QUICK = Sizes(
    scorer=Size(200_000, 20_000),
    ingest_seconds=2,
    router_leads=4_000,
    router_updates=20_000,
    e2e_seconds=20,
    recovery_leads=50_000,
    scale=Size(400_000, 20_000),
    flat_events=100_000,
    flat_leads=(2_000, 20_000),
)


class EnginesFailed(Exception):
    """Some engines have no figure; `result` has those of the others."""

    def __init__(self, result: dict[str, Any], problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.result = result


def measure_scorer(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    built, keys, problems = _engines()
    found = asyncio.run(scorer_bench.measure_all(parts.kafka_bootstrap, sizes.scorer, keys, built, kill=False))
    failed = {key: one["error"] for key, one in found["details"].items() if "error" in one}
    problems += [f"{key}: {error.splitlines()[0]}" for key, error in failed.items()]
    figures = {f"{key}_eps": None for key in scorer_bench.USUAL} | found.pop("scorer")
    result = {**figures, **found}
    if problems:
        raise EnginesFailed(result, problems)
    return result


def _engines() -> tuple[Built, list[str], list[str]]:
    """What could be built, the engines that it runs, and why others do not. Raises `BuildError` without ours."""
    ours = build(python=False, java=False)
    keys, problems = list(scorer_bench.USUAL), []
    for peer in ("python", "java"):
        group = {key for key in keys if ENGINES[key].peer == peer}
        try:
            build(python=peer == "python", java=peer == "java")
        except BuildError as error:
            problems.append(f"{', '.join(sorted(group))}: {error}")
            keys = [key for key in keys if key not in group]
    return ours, keys, problems


def measure_ingest(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    return ingest_rate.measure(parts, sizes.ingest_seconds)


def measure_router(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    return asyncio.run(router_rate.measure(parts, sizes.router_leads, sizes.router_updates, singles=0))


def measure_e2e(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    return e2e.measure(parts, sizes.e2e_rate, sizes.e2e_seconds)


def measure_recovery(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    return recovery.measure(parts, sizes.recovery_leads)


def measure_scale(parts: Parts, sizes: Sizes) -> dict[str, Any]:
    return {
        **scale.measure(parts, sizes.scale),
        "flat": scale.flat(parts, sizes.flat_events, sizes.flat_leads),
    }


MEASURES: dict[str, Callable[[Parts, Sizes], dict[str, Any]]] = {
    "scorer": measure_scorer,
    "ingest": measure_ingest,
    "router": measure_router,
    "e2e": measure_e2e,
    "recovery": measure_recovery,
    "scale": measure_scale,
}


def measure_all(parts: Parts, sections: Sequence[str], sizes: Sizes) -> dict[str, Any]:
    """The sections in their order; `errors` has what failed."""
    result: dict[str, Any] = {**dict.fromkeys(SECTIONS), "errors": {}, "load_before": {}}
    for section in sections:
        gc.collect()
        result["load_before"][section] = round(os.getloadavg()[0], 2)  # above 1, others were at work as well
        say(f"{datetime.now():%H:%M:%S} {section} …")
        try:
            result[section] = MEASURES[section](parts, sizes)
        except EnginesFailed as failure:
            result[section], result["errors"][section] = failure.result, str(failure)
        except Exception as error:  # noqa: BLE001 - told in the result; what has been measured must not be lost
            traceback.print_exc()
            result["errors"][section] = f"{type(error).__name__}: {error}"
    return result


def surroundings() -> dict[str, Any]:
    """What the figures depend on."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    dirty = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, check=False)
    commit = head.stdout.strip() + ("+changes" if dirty.returncode else "") if head.returncode == 0 else "unknown"
    models = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    memory = next((line.split()[1] for line in _read("/proc/meminfo").splitlines() if "MemTotal" in line), None)
    return {
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "machine": {
            "cpus": os.cpu_count(),
            "cpu": models[0].partition(":")[2].strip() if models else platform.processor() or platform.machine(),
            "memory_gb": round(int(memory) / 1e6) if memory else None,
            "system": platform.platform(),
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
    }


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""  # not Linux


def put_into(document: Path, text: str) -> None:
    """Replace what stands between the marks. Raises `ValueError` where they are missing."""
    before, begin, rest = document.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for figures: {BEGIN.strip()} and {END.strip()}")
    document.write_text(before + begin + text + end + after, "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=PartsKind, help="which Kafka and Postgres (default: TASUKI_PARTS, or apache)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything work?")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"some of {', '.join(SECTIONS)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the JSON file (default: build/bench.json)")
    parser.add_argument("--markdown", nargs="?", const="-", help="the last run's table, on the screen or into a file")
    given = parser.parse_args()
    given.only = given.only.split(",")
    if unknown := sorted(set(given.only) - set(SECTIONS)):
        parser.error(f"unknown sections {', '.join(unknown)}; choose among {', '.join(SECTIONS)}")
    return given


def main() -> int:
    given = _arguments()
    if given.markdown:
        shown = markdown(json.loads(given.output.read_text("utf-8")))
        if given.markdown == "-":
            sys.stdout.write(shown)
        else:
            put_into(Path(given.markdown), shown)
        return 0
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # through every `finally`, as Ctrl-C
    kind = given.parts or (None if os.environ.get("TASUKI_PARTS") else PartsKind.APACHE)
    about = surroundings()
    try:
        with durable_parts(kind) as parts:
            sections = [section for section in SECTIONS if section in given.only]
            result = measure_all(parts, sections, QUICK if given.quick else Sizes())
            result |= about | {"parts": parts.description, "quick": given.quick}
    except PartsError as error:
        say(f"error: {error}")
        return 2
    result["targets"] = targets(result)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
    Console(width=None if sys.stdout.isatty() else 140).print(table(result))
    return int(bool(result["errors"]))


if __name__ == "__main__":
    sys.exit(main())
