"""The secret by which a stack knows whom it has erased. It must last as long as the stack's data."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "TASUKI_ERASURE_KEY"
FILE = "erasure.key"


def erasure_key(environment: Mapping[str, str], data_dir: Path | None, is_temporary: bool) -> dict[str, str]:
    """What services are told beside `environment`: a new secret where the data is temporary, the one kept beside it in
    `data_dir`; else nothing: whoever brings Kafka and Postgres brings the secret, too."""
    if environment.get(VARIABLE):
        return {}
    if data_dir is not None:
        return {VARIABLE: _kept(data_dir / FILE)}
    return {VARIABLE: secrets.token_urlsafe(32)} if is_temporary else {}


def _kept(file: Path) -> str:
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as made:
            made.write(secrets.token_urlsafe(32) + "\n")
    return file.read_text(encoding="utf-8").strip()
