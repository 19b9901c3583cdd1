"""What the scorer asks of the topics before it starts."""

import pytest

from services.scorer.preflight import check_partitions
from services.scorer.settings import ScorerSettings
from shared.settings import ConfigurationError
from shared.topics import Topics

TOPICS = Topics("t.")
GOOD = {"t.events": 4, "t.scores": 4, "t.scorer-state": 4, "t.dead-letters": 1}


def test_equal_counts_pass() -> None:
    assert check_partitions(GOOD, TOPICS) == 4


def test_missing_topics_are_all_named_with_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"t\.scores, t\.dead-letters; run `tasuki topics create`"):
        check_partitions({"t.events": 4, "t.scorer-state": 4}, TOPICS)


def test_unequal_counts_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"t\.scores has 8"):
        check_partitions(GOOD | {"t.scores": 8}, TOPICS)


@pytest.mark.parametrize(("prefix", "group"), [("tasuki.", "tasuki-scorer"), ("a.b.", "a.b-scorer"), ("", "scorer")])
def test_installations_on_one_kafka_have_groups_of_their_own(prefix: str, group: str) -> None:
    assert ScorerSettings(kafka_bootstrap="k:1", topic_prefix=prefix).group == group
