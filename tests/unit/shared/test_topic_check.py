"""What a service asks of the topics before it starts."""

import pytest

from services.scorer.settings import ScorerSettings
from shared.settings import ConfigurationError
from shared.topic_check import refuse_missing, refuse_unequal

KNOWN = {"t.events": 4, "t.scores": 4, "t.scorer-state": 4, "t.dead-letters": 1}


def test_what_is_there_and_equal_passes() -> None:
    refuse_missing(KNOWN, list(KNOWN))
    refuse_unequal(KNOWN, ["t.events", "t.scores", "t.scorer-state"])


def test_missing_topics_are_all_named_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"t\.scores, t\.dead-letters; run `tasuki topics create`"):
        refuse_missing({"t.events": 4, "t.scorer-state": 4}, ["t.events", "t.scores", "t.dead-letters"])


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"t\.scores has 8"):
        refuse_unequal(KNOWN | {"t.scores": 8}, ["t.events", "t.scores"])


@pytest.mark.parametrize(("prefix", "group"), [("tasuki.", "tasuki-scorer"), ("a.b.", "a.b-scorer"), ("", "scorer")])
def test_installations_on_one_kafka_have_groups_of_their_own(prefix: str, group: str) -> None:
    assert ScorerSettings(kafka_bootstrap="k:1", topic_prefix=prefix).group == group
