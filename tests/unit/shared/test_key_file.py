"""Keys while a service runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from shared.key_file import ReloadingKeyRing
from shared.keys import KeyKind, append_key, create_key, write_keys_from


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def source_of(keys: ReloadingKeyRing, secret: str) -> str | None:
    entry = keys.find(KeyKind.WRITE, secret)
    return entry.name if entry else None


def test_a_changed_file_counts_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, time = tmp_path / "keys.yaml", Time()
    first, entry = create_key(KeyKind.WRITE, "first")
    append_key(file, entry)
    keys = ReloadingKeyRing(write_keys_from("dev=dev"), file, time)
    assert (source_of(keys, first), source_of(keys, "dev"), source_of(keys, "guess")) == ("first", "dev", None)

    second, entry = create_key(KeyKind.WRITE, "second")
    append_key(file, entry)
    assert source_of(keys, second) is None
    time.seconds = 2
    assert (source_of(keys, first), source_of(keys, second)) == ("first", "second")

    file.write_text("- nonsense")
    time.seconds = 4
    with caplog.at_level(logging.ERROR):
        assert source_of(keys, second) == "second"
    assert "stay valid" in caplog.text

    file.write_text("[]")
    time.seconds = 6
    assert (source_of(keys, second), source_of(keys, "dev")) == (None, "dev")


def test_a_removed_file_changes_nothing_and_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, time = tmp_path / "keys.yaml", Time()
    secret, entry = create_key(KeyKind.WRITE, "web")
    append_key(file, entry)
    keys = ReloadingKeyRing([], file, time)
    file.unlink()
    time.seconds = 2
    assert source_of(keys, secret) == "web"
    assert "stay valid" in caplog.text


def test_tokens_and_write_keys_are_apart(tmp_path: Path) -> None:
    secret, entry = create_key(KeyKind.TOKEN, "crm", ["write"])
    append_key(tmp_path / "keys", entry)
    keys = ReloadingKeyRing([], tmp_path / "keys")
    assert keys.find(KeyKind.WRITE, secret) is None
    assert keys.find(KeyKind.TOKEN, secret) == entry
