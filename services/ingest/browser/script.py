"""analytics.js itself, from the files of the npm package @segment/analytics-next: a website needs nobody else."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path

SCRIPT = "standalone.js"
_PLACEHOLDER = b"__WRITE_KEY__"
_HERE = b"""\
(function (script) {
  // Where this script comes from is where its settings and its other parts are, also by http and behind a path.
  var here = script && script.src.split("/analytics.js/v1/")[0];
  var analytics = (window.analytics = window.analytics || []);
  if (here && !analytics._cdn) analytics._cdn = here;
})(document.currentScript);
"""


class Script:
    """The script as it is in `directory`, told its write key. Raises `OSError` and `ValueError` (another package)."""

    def __init__(self, directory: Path) -> None:
        self._text = (directory / SCRIPT).read_bytes()
        if self._text.count(_PLACEHOLDER) != 1:
            raise ValueError(f"{directory / SCRIPT} is not that of @segment/analytics-next: it has no {_PLACEHOLDER!r}")
        # Each page of a website asks for it.
        self.compressed = lru_cache(maxsize=64)(self._compressed)

    def plain(self, write_key: str) -> bytes:
        """The script for one write key, which must be of characters that need no escape in a JavaScript string."""
        if json.dumps(write_key) != f'"{write_key}"' or set(write_key) & set("'<"):
            raise ValueError("this write key cannot stand in a script")
        return _HERE + self._text.replace(_PLACEHOLDER, write_key.encode())

    def _compressed(self, write_key: str) -> bytes:
        return gzip.compress(self.plain(write_key))
