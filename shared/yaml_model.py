"""A YAML file as a model. Every problem names its line, its place and what was expected, and all are told together."""

from __future__ import annotations

from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


class YamlError(ValueError):
    """The file cannot be used; the message lists every problem as `file:line: where: what was expected`."""


def parse_yaml(model: type[M], text: str, file: str) -> M:
    """`file` is for the messages. Raises `YamlError`."""
    try:
        root, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or error
        raise YamlError(f"{file}:{mark.line + 1 if mark else 1}: YAML: {problem}") from error
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [(_place(root, item["loc"]), item) for item in error.errors()]
        raise YamlError(
            "\n".join(f"{file}:{line}: {where}: {_words(item)}" for (line, where), item in problems)
        ) from None


def _words(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "is missing"
        case _:
            return str(problem["msg"]).removeprefix("Value error, ")


def _place(node: yaml.Node | None, location: tuple[str | int, ...]) -> tuple[int, str]:
    """Line and dotted name of the deepest step that the file has; branches of unions are no steps."""
    line, where = (node.start_mark.line + 1 if node else 1), []
    for step in location:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step], node.value[step])
        if found:
            line, node = found[0].start_mark.line + 1, found[1]
        if found or step == location[-1]:
            where.append(str(step))
    return line, ".".join(where) or "file"
