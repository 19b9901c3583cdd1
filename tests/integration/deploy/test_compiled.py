"""The image's compiled modules decide as their sources do."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COPIED = ("services", "shared", "tests/unit/scorer", "tests/property", "tests/load", "tests/fault", "tests/simulation")
LAWS = ["tests/unit/scorer", "tests/property"]


def _compiles_here() -> bool:
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return shutil.which("cc") is not None and headers.exists()


pytestmark = [
    pytest.mark.skipif(not _compiles_here(), reason="no C compiler, or no headers of Python: nothing can be compiled"),
    pytest.mark.timeout(600),
]


def run(directory: Path, *arguments: str) -> str:
    """Python in `directory`, with its packages alone; what it has said. Fails with that when it ends badly."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=directory,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": str(directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compiled")
    for name in COPIED:
        shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [ROOT / "pyproject.toml", *ROOT.glob("tests/**/conftest.py"), *ROOT.glob("tests/*.py")]:
        (directory / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, directory / path.relative_to(ROOT))
    run(directory, str(ROOT / "deploy" / "compile.py"), str(directory))
    return directory


def test_what_is_compiled_is_what_runs(copy: Path) -> None:
    asked = "import services.scorer.apply as a, services.scorer.scoring.scorer as s; print(a.__file__, s.__file__)"
    for file in run(copy, "-c", asked).split():
        assert Path(file).is_relative_to(copy)
        assert not file.endswith(".py")


def test_the_laws_of_scoring_hold_when_it_is_compiled(copy: Path) -> None:
    said = run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *LAWS)
    assert " passed" in said


def test_a_checkout_is_not_compiled(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "compile.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is a checkout" in done.stderr
