"""Write keys while the service runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from services.ingest.keys import WriteKeys
from shared.keys import KeyKind, append_key, create_key, write_keys_from


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_changed_file_counts_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, time = tmp_path / "keys.yaml", Time()
    first, entry = create_key(KeyKind.WRITE, "first")
    append_key(file, entry)
    keys = WriteKeys(write_keys_from("dev=dev"), file, time)
    assert (keys.source_of(first), keys.source_of("dev"), keys.source_of("guess")) == ("first", "dev", None)

    second, entry = create_key(KeyKind.WRITE, "second")
    append_key(file, entry)
    assert keys.source_of(second) is None
    time.seconds = 2
    assert (keys.source_of(first), keys.source_of(second)) == ("first", "second")

    file.write_text("- nonsense")
    time.seconds = 4
    with caplog.at_level(logging.ERROR):
        assert keys.source_of(second) == "second"
    assert "stay valid" in caplog.text

    file.write_text("[]")
    time.seconds = 6
    assert (keys.source_of(second), keys.source_of("dev")) == (None, "dev")


def test_a_token_is_no_write_key(tmp_path: Path) -> None:
    secret, entry = create_key(KeyKind.TOKEN, "crm", ["write"])
    append_key(tmp_path / "keys", entry)
    assert WriteKeys([], tmp_path / "keys").source_of(secret) is None
