"""Compiles what scores with mypyc: the same modules as machine code, for a fifth less processor time.

    python deploy/compile.py DIRECTORY

DIRECTORY holds copies of `services` and `shared`; what is compiled is put beside its source, and wins over it. That
hides later edits, so it is for images and for benchmarks: a checkout is refused. Needs a C compiler, and mypy with its
extra `mypyc` (`uv sync --group compile`).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# Only what is asked for every event, and knows its types. `state` and `events` are msgspec's, which is compiled.
MODULES = (
    *(f"services/scorer/scoring/{name}.py" for name in ("accounts", "attributes", "behaviour", "campaigns", "caps")),
    *(f"services/scorer/scoring/{name}.py" for name in ("days", "duplicates", "explaining", "fields", "heard")),
    *(f"services/scorer/scoring/{name}.py" for name in ("line", "linked", "links", "mails", "matching", "outside")),
    *(f"services/scorer/scoring/{name}.py" for name in ("pasts", "people", "publishing", "rules", "scanners")),
    *(f"services/scorer/scoring/{name}.py" for name in ("scorer", "times", "today", "touches", "trigger", "union")),
    "services/scorer/apply.py",
    *(f"shared/{name}.py" for name in ("acceptance", "cloudevents", "points", "reading")),
)


def compile_in(directory: Path) -> None:
    """Raises what mypyc (`SystemExit`) or the C compiler (setuptools' `CompileError`) has to say."""
    # Here, as a refused checkout need not have them.
    from mypyc.build import mypycify  # noqa: PLC0415
    from setuptools import Distribution  # noqa: PLC0415

    os.chdir(directory)  # mypyc names modules by their paths from here
    with TemporaryDirectory() as temporary:
        extensions = mypycify([*MODULES, "--ignore-missing-imports"], opt_level="3", target_dir=temporary)
        command = Distribution({"name": "tasuki", "ext_modules": extensions}).get_command_obj("build_ext")
        command.inplace, command.build_temp, command.build_lib = True, temporary, temporary
        command.ensure_finalized()
        command.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory.resolve()
    if (directory / ".git").exists():
        sys.exit(f"{directory} is a checkout: compiled modules would hide what is edited there. Give a copy.")
    compile_in(directory)


if __name__ == "__main__":
    main()
