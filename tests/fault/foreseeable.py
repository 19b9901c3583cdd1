"""The default playbook as far as the oracle foretells what becomes of a lead: without recycling, whose line in time it
does not draw. What recycling does is the matter of tests/unit/router/test_recycling.py."""

from __future__ import annotations

import re
from importlib import resources


def playbook_text() -> str:
    text = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")
    without, times = re.subn(r"^recycling:\n(?:  .*\n)+", "", text, flags=re.MULTILINE)
    assert times == 1
    without, times = re.subn(r"^  - \{id: lost, .*\n", "", without, flags=re.MULTILINE)
    assert times == 1
    return without
