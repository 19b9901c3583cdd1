"""The playbook: one YAML file that holds a company's way of working."""

from shared.playbook.loader import PlaybookError, Problem, load_playbook, parse_playbook
from shared.playbook.schema import Playbook

__all__ = ["Playbook", "PlaybookError", "Problem", "load_playbook", "parse_playbook"]
