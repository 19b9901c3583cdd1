"""The mappings that are shipped, and those in a directory of the operator's own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path

from services.ingest.webhooks.mapping import Mapping as WebhookMapping
from services.ingest.webhooks.receiver import Webhook
from services.ingest.webhooks.signatures import Verify, verifier
from shared.settings import ConfigurationError
from shared.yaml_model import YamlError, parse_yaml

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def load_webhooks(directory: Path | None, environment: Mapping[str, str]) -> dict[str, Webhook]:
    """By name. A file in `directory` replaces the shipped one of its name. Secrets are in `environment`: one that is
    missing only matters for one's own mappings, as nobody need use the shipped ones.

    Raises `ConfigurationError` with all that is wrong in all files."""
    webhooks: dict[str, Webhook] = {}
    problems: list[str] = []
    own = [*_own(directory, problems)]
    replaced = {Path(file).name for file, _, _ in own}
    for file, text, is_own in [*(one for one in _shipped() if one[0] not in replaced), *own]:
        try:
            webhook = _webhook(file, text, environment)
        except ValueError as error:
            problems.append(str(error))
            continue
        signature = webhook.mapping.signature
        if is_own and signature and webhook.verify is None:
            problems.append(f"{file}: signature.secret_env: the environment has no variable {signature.secret_env}")
        webhooks[webhook.name] = webhook
    if problems:
        raise ConfigurationError("mappings of webhooks cannot be used:\n    " + "\n    ".join(problems))
    return webhooks


def _shipped() -> Iterator[tuple[str, str, bool]]:
    directory = resources.files("services.ingest.webhooks").joinpath("ready")
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        yield file.name, file.read_text("utf-8"), False


def _own(directory: Path | None, problems: list[str]) -> Iterator[tuple[str, str, bool]]:
    if directory is None:
        return
    if not directory.is_dir():
        problems.append(f"{directory}: is no directory")
        return
    for file in sorted(directory.glob("*.yaml")):
        try:
            yield str(file), file.read_text("utf-8"), True
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{file}: cannot be read as UTF-8 text: {error}")


def _webhook(file: str, text: str, environment: Mapping[str, str]) -> Webhook:
    """Raises `ValueError`."""
    name = Path(file).stem
    if not _NAME.fullmatch(name):
        raise ValueError(f"{file}: the name is part of an address: expected a-z, 0-9 and '-', such as my-tool.yaml")
    mapping = parse_yaml(WebhookMapping, text, file)
    return Webhook(name, mapping, _verify(file, mapping, environment))


def _verify(file: str, mapping: WebhookMapping, environment: Mapping[str, str]) -> Verify | None:
    if mapping.signature is None:
        return None
    variable = mapping.signature.secret_env
    secret = environment.get(variable)
    try:
        return verifier(mapping.signature, secret) if secret else None
    except ValueError as error:
        raise YamlError(f"{file}: signature.secret_env: {variable} {error}") from error
