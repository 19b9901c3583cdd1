"""The table of a benchmark run: targets, what is missing, and the place in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.load.bench.figures import FIGURES, SECTIONS, markdown, rows, targets
from tests.load.bench_all import BEGIN, END, put_into


def result(**sections: Any) -> dict[str, Any]:
    about = {
        "began": "2026-11-22T02:00:00+00:00",
        "commit": "abc1234",
        "parts": "Apache Kafka",
        "quick": False,
        "machine": {"cpus": 2, "cpu": "some CPU"},
        "versions": {"python": "3.11"},
        "errors": {},
    }
    return {**dict.fromkeys(SECTIONS), **about, **sections}


def test_ours_is_compared_with_each_engine() -> None:
    found = targets(result(scorer={"tasuki_eps": 60_000, "stock_faust_eps": 6_000, "quix_eps": 40_000}))
    assert found["scorer.stock_faust_eps"] == {
        "target": "ours ≥ 10 ×",
        "value": 6_000,
        "ours_times": 10.0,
        "met": True,
    }
    assert (found["scorer.quix_eps"]["ours_times"], found["scorer.quix_eps"]["met"]) == (1.5, False)
    assert found["scorer.ceiling_eps"]["met"] is None, "what has no figure is neither met nor missed"


@pytest.mark.parametrize(
    ("seconds", "leads", "met"),
    [(59.9, 1_000_000, (True, True)), (60.1, 1_000_000, (False, True)), (1, 5, (True, False))],
)
def test_targets_are_limits(seconds: float, leads: int, met: tuple[bool, bool]) -> None:
    found = targets(result(recovery={"seconds": seconds, "leads": leads}))
    assert (found["recovery.seconds"]["met"], found["recovery.leads"]["met"]) == met


def test_without_our_own_figure_no_comparison_is_met() -> None:
    found = targets(result(scorer={"tasuki_eps": None, "quix_eps": 40_000}))
    assert found["scorer.quix_eps"]["met"] is None


def test_a_failed_section_stands_in_the_table() -> None:
    shown = list(rows(result(errors={"router": "EngineError: gone\nand the end of its log"})))
    assert [row[:2] for row in shown] == [("router", "FAILED: EngineError: gone")]


def test_the_figures_go_between_the_marks(tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text(f"before\n{BEGIN}old\n{END}after\n")
    for _ in range(2):
        put_into(document, markdown(result(e2e={"rate": 1000, "p50_ms": 12.5, "p99_ms": 300.0})))
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}")
    assert text.endswith(f"{END}after\n")
    assert "old" not in text
    assert "| e2e | POST to hand-off, p99 | 300.0 | ms |  | ≤ 250 | NO |" in text


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "other.md"
    document.write_text("nothing\n")
    with pytest.raises(ValueError, match="no place for figures"):
        put_into(document, "text")


def test_the_documentation_has_a_place_for_the_figures() -> None:
    text = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text("utf-8")
    assert text.count(BEGIN) == text.count(END) == 1


def test_every_promised_figure_has_a_line() -> None:
    promised = {
        *(f"scorer.{engine}_eps" for engine in ("tasuki", "stock_faust", "quix", "kafka_streams", "ceiling")),
        *(f"ingest.{name}" for name in ("batch_eps", "single_rps", "single_p99_ms", "bare_rps")),
        "router.updates_per_s",
        *(f"e2e.{name}" for name in ("rate", "p50_ms", "p99_ms")),
        *(f"recovery.{name}" for name in ("leads", "seconds", "bytes_per_lead")),
        *(f"scale.{name}_eps" for name in ("one", "two")),
    }
    assert promised <= {figure.path for figure in FIGURES}
