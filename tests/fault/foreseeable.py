"""The default playbook as far as the oracle foretells what becomes of a lead: without recycling, whose line in time it
does not draw, and without the field that tells who joins whose hand-off, as that depends on who comes first.

What these do is the matter of tests/unit/router/test_recycling.py and tests/property/test_joining_laws.py."""

from __future__ import annotations

import re
from importlib import resources

_LEFT_OUT = (
    r"^recycling:\n(?:  .*\n)+",
    r"^  - \{id: lost, .*\n",
    r"^  department: +\{.*\n",
    *(rf"^    {role}: \{{.*field: department.*\n" for role in ("technical", "purchasing", "user")),
)


def playbook_text() -> str:
    text = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
    for part in _LEFT_OUT:
        text, times = re.subn(part, "", text, flags=re.MULTILINE)
        assert times == 1, f"the default playbook has changed: {times} times {part}"
    return text
