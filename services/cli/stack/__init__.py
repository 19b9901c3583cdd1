"""Everything in one terminal: parts, topics, tables and the three services, gone again afterwards."""

from services.cli.stack.stack import Stack, StackOptions, start_stack

__all__ = ["Stack", "StackOptions", "start_stack"]
