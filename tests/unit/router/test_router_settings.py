"""A router that nobody could ask does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.router.settings import RouterSettings
from shared.keys import KeyKind, append_key, create_key
from shared.settings import ConfigurationError, load_settings


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_KAFKA_BOOTSTRAP", "localhost:1")
    monkeypatch.setenv("TASUKI_DATABASE_URL", "postgresql+asyncpg://u@localhost/d")
    monkeypatch.delenv("TASUKI_API_TOKENS", raising=False)
    monkeypatch.delenv("TASUKI_KEYS_FILE", raising=False)


def test_no_token_at_all_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="TASUKI_API_TOKENS"):
        load_settings(RouterSettings)
    file = tmp_path / "keys"
    append_key(file, create_key(KeyKind.WRITE, "website")[1])
    monkeypatch.setenv("TASUKI_KEYS_FILE", str(file))
    with pytest.raises(ConfigurationError, match="no token"):
        load_settings(RouterSettings)
    append_key(file, create_key(KeyKind.TOKEN, "crm", ["read"])[1])
    assert load_settings(RouterSettings).entries_from_environment() == []


def test_the_secret_of_erasures_is_long_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_API_TOKENS", "t=laptop:erase")
    monkeypatch.setenv("TASUKI_ERASURE_KEY", "too-short")
    with pytest.raises(ConfigurationError, match=r"TASUKI_ERASURE_KEY: it must have 32 characters") as refused:
        load_settings(RouterSettings)
    assert "too-short" not in str(refused.value)
    monkeypatch.setenv("TASUKI_ERASURE_KEY", "s" * 32)
    assert "ssss" not in repr(load_settings(RouterSettings))


def test_a_token_by_variable_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASUKI_API_TOKENS", "t=laptop:read")
    assert [entry.name for entry in load_settings(RouterSettings).entries_from_environment()] == ["laptop"]
