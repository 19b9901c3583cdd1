"""What a user of the command line can mend."""

from __future__ import annotations


class CommandError(Exception):
    """The command cannot do what was asked; the message says what to change."""
