"""The secret of erasures lasts as long as the data of a stack."""

from __future__ import annotations

import stat
from pathlib import Path

from services.cli.stack.erasure_key import FILE, VARIABLE, erasure_key


def test_it_is_kept_beside_the_data_for_nobody_else_to_read(tmp_path: Path) -> None:
    made = erasure_key({}, tmp_path / "data", is_temporary=True)
    assert len(made[VARIABLE]) >= 32
    assert erasure_key({}, tmp_path / "data", is_temporary=True) == made
    assert stat.S_IMODE((tmp_path / "data" / FILE).stat().st_mode) == 0o600


def test_temporary_data_has_a_new_one_each_time_and_somebody_elses_none() -> None:
    assert erasure_key({}, None, is_temporary=True) != erasure_key({}, None, is_temporary=True)
    assert erasure_key({}, None, is_temporary=False) == {}


def test_the_users_own_secret_stays(tmp_path: Path) -> None:
    assert erasure_key({VARIABLE: "s" * 32}, tmp_path, is_temporary=False) == {}
    assert not (tmp_path / FILE).exists()
