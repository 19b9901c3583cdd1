"""deploy/settings.reference.env names every variable, and shows the true defaults."""

import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from services.ingest.settings import IngestSettings
from services.router.settings import RouterSettings
from services.scorer.settings import ScorerSettings
from shared.settings import CommonSettings

REFERENCE = (Path(__file__).parents[3] / "deploy" / "settings.reference.env").read_text("utf-8")
SHOWN = dict(re.findall(r"^#?(TASUKI_\w+)=(.*)$", REFERENCE, re.MULTILINE))


@pytest.mark.parametrize("settings", [IngestSettings, ScorerSettings, RouterSettings])
def test_every_setting_is_described_with_its_default(settings: type[CommonSettings]) -> None:
    for name, field in settings.model_fields.items():
        variable = f"TASUKI_{name.upper()}"
        assert variable in SHOWN
        if field.default is not PydanticUndefined and field.default is not None:
            shown = TypeAdapter(field.annotation).validate_python(SHOWN[variable])
            assert shown == field.default, variable
