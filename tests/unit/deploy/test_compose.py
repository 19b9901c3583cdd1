"""The Docker stack says what the programs in it expect."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from services.cli.main import app
from services.ingest.settings import IngestSettings
from services.router.settings import RouterSettings
from services.scorer.settings import ScorerSettings
from shared.settings import CommonSettings, load_settings

DEPLOY = Path(__file__).parents[3] / "deploy"
OURS = ["topics", "database", "ingest", "scorer", "router"]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The stack with every variable at its default."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DEPLOY / "compose.yaml").read_text())
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(services: dict[str, Any], name: str) -> None:
    result = CliRunner().invoke(app, [*services[name]["command"], "--help"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("name", "settings", "port"),
    [
        ("ingest", IngestSettings, "ingest_port"),
        ("scorer", ScorerSettings, "scorer_port"),
        ("router", RouterSettings, "router_port"),
        ("topics", CommonSettings, None),
    ],
)
def test_each_service_finds_its_settings(
    services: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    settings: type[CommonSettings],
    port: str | None,
) -> None:
    for variable, value in services[name]["environment"].items():
        monkeypatch.setenv(variable, str(value))
    loaded = load_settings(settings)
    assert loaded.kafka_bootstrap == "kafka:9094"
    if port:
        (published,) = services[name]["ports"]
        assert published.endswith(f":{getattr(loaded, port)}")
        assert f":{getattr(loaded, port)}/readyz" in services[name]["healthcheck"]["test"][-1]


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 5
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_whatever_runs_on_is_checked_and_whatever_ends_is_waited_for(services: dict[str, Any]) -> None:
    waited_for = {
        name
        for service in services.values()
        for name, wish in service.get("depends_on", {}).items()
        if wish["condition"] == "service_completed_successfully"
    }
    # `up --wait` takes a container that has ended for a failure, unless another waits for its success.
    assert waited_for == {"topics", "database"}
    assert all("test" in service["healthcheck"] for name, service in services.items() if name not in waited_for)


def test_the_image_does_not_run_as_root() -> None:
    *_, user = re.findall(r"^USER (\S+)", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert user not in ("root", "0")
