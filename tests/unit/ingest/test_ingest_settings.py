"""Settings: everything that is wrong is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ingest.settings import IngestSettings
from shared.settings import ConfigurationError, load_settings


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP", "WRITE_KEYS", "KEYS_FILE", "INGEST_PORT", "WEBHOOKS", "INGEST_PUBLIC_URL"):
        monkeypatch.delenv(f"TASUKI_{name}", raising=False)


def test_all_problems_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TASUKI_WRITE_KEYS", "secret-without-source")
    monkeypatch.setenv("TASUKI_KEYS_FILE", str(tmp_path / "missing.yaml"))
    monkeypatch.setenv("TASUKI_INGEST_PORT", "eighty")
    monkeypatch.setenv("TASUKI_LOG_LEVEL", "loud")
    monkeypatch.setenv("TASUKI_INGEST_PUBLIC_URL", "events.example.jp")
    (tmp_path / "mine.yaml").write_text("calls: [{email: e, name: n, nmae: x}]")
    monkeypatch.setenv("TASUKI_WEBHOOKS", str(tmp_path))
    with pytest.raises(ConfigurationError) as error:
        load_settings(IngestSettings)
    message = str(error.value)
    names = ("KAFKA_BOOTSTRAP", "WRITE_KEYS", "KEYS_FILE", "INGEST_PORT", "LOG_LEVEL", "WEBHOOKS", "INGEST_PUBLIC_URL")
    for name in names:
        assert f"TASUKI_{name}: " in message
    assert "missing.yaml" in message
    assert "mine.yaml:1: calls.0.nmae: unknown key" in message
    assert "secret-without-source" not in message


def test_without_any_write_key_nobody_could_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_KAFKA_BOOTSTRAP", "localhost:9092")
    with pytest.raises(ConfigurationError, match="tasuki keys create"):
        load_settings(IngestSettings)
