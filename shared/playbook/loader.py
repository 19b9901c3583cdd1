"""Read a playbook file. Every error names file, line and what was expected, and all are told together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from shared.playbook.crosscheck import crosscheck
from shared.playbook.schema import Playbook

Location = Sequence[str | int]
# libyaml reads the default playbook in a tenth of the time; it is in every wheel, but not in every build of PyYAML.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file; `line` counts from 1."""

    line: int
    where: str
    message: str


class PlaybookError(Exception):
    """The playbook cannot be used; the message lists every problem as `file:line: where: what was expected`."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file, self.problems = file, sorted(problems, key=lambda problem: problem.line)
        super().__init__("\n".join(f"{file}:{p.line}: {p.where}: {p.message}" for p in self.problems))


def load_playbook(path: Path | None = None) -> Playbook:
    """The playbook in `path`, or the built-in default. Raises `PlaybookError`."""
    if path is None:
        default = resources.files("shared.playbook").joinpath("default.yaml")
        return parse_playbook(default.read_text("utf-8"), "default.yaml")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlaybookError(str(path), [Problem(1, "file", f"cannot be read as UTF-8 text: {error}")]) from error
    return parse_playbook(text, str(path))


def parse_playbook(text: str, file: str) -> Playbook:
    """The playbook in `text`; `file` is for the messages. Raises `PlaybookError`."""
    try:
        root = yaml.compose(text, Loader=_LOADER)
        data = yaml.load(text, Loader=_LOADER)  # a safe loader either way
    except yaml.YAMLError as error:
        raise PlaybookError(file, [_syntax_problem(error)]) from error
    if not isinstance(root, yaml.MappingNode):
        raise PlaybookError(file, [Problem(1, "file", "expected a mapping with the keys of a playbook")])
    duplicates = list(_duplicate_keys(root, ()))
    if duplicates:
        raise PlaybookError(file, duplicates)
    try:
        playbook = Playbook.model_validate(data)
    except ValidationError as error:
        raise PlaybookError(file, [_schema_problem(root, problem) for problem in error.errors()]) from error
    problems = [Problem(_line(root, where), _dotted(where), message) for where, message in crosscheck(playbook)]
    if problems:
        raise PlaybookError(file, problems)
    return playbook


def _syntax_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    return Problem(mark.line + 1 if mark else 1, "YAML", getattr(error, "problem", None) or str(error))


def _duplicate_keys(node: yaml.Node, where: tuple[str | int, ...]) -> Iterable[Problem]:
    """YAML keeps the last of two equal keys in silence; a rule would vanish."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                message = f"the key '{key.value}' was already given in line {seen[key.value]}"
                yield Problem(line, _dotted((*where, key.value)), message)
            seen[key.value] = line
            yield from _duplicate_keys(value, (*where, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicate_keys(item, (*where, index))


def _schema_problem(root: yaml.Node, error: Any) -> Problem:
    path = _real_path(root, error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = f"unknown key '{error['loc'][-1]}'"
        known = _known_keys(error["loc"][:-1])
        message += f"; expected one of {', '.join(known)}" if known else ""
    elif error["type"] == "missing":
        message = f"'{error['loc'][-1]}' is missing"
    return Problem(_line(root, path), _dotted(path), message)


def _known_keys(where: Location) -> list[str]:
    """Keys of the model at a place near the top of the playbook; deeper ones speak for themselves."""
    model: type[BaseModel] | None = Playbook
    for part in where:
        field = next((f for n, f in (model.model_fields.items() if model else ()) if part in (n, f.alias)), None)
        model = field.annotation if field and isinstance(field.annotation, type) else None
    if model is None or not issubclass(model, BaseModel):
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _real_path(root: yaml.Node, location: Location) -> list[str | int]:
    """The steps of a pydantic location that exist in the file (tags of unions do not)."""
    node: yaml.Node | None = root
    path: list[str | int] = []
    for step in location:
        child = _child(node, step)
        if child is not None:
            node = child
            path.append(step)
    if location and (not path or path[-1] != location[-1]) and isinstance(location[-1], str):
        path.append(location[-1])
    return path


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: yaml.Node = node.value[step]
        return child
    return None


def _line(root: yaml.Node, path: Location) -> int:
    """The line of the deepest step that exists (for a missing key: where its parent begins)."""
    node, line = root, 1
    for step in path:
        child = _child(node, step)
        if child is None:
            break
        line = child.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            line = next(key.start_mark.line + 1 for key, _ in node.value if key.value == str(step))
        node = child
    return line


def _dotted(path: Location) -> str:
    return ".".join(str(step) for step in path) or "file"
