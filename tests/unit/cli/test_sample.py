"""The sample: the same bytes for the same arguments, and something of everything."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from crawleruseragents import is_crawler

from services.cli.sample import Sample, generate, identity_of
from services.cli.sample.website import UNCLASSIFIED
from shared.playbook import load_playbook
from shared.prefectures import PREFECTURES

END = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return generate(seed=1, leads=3000, end=END)


def names(sample: Sample) -> Counter[str]:
    return Counter(call["event"] for call in sample.calls if call["type"] == "track")


def test_same_arguments_give_the_same_bytes() -> None:
    first, second = (json.dumps(generate(seed=7, leads=60, end=END).calls) for _ in range(2))
    assert first == second


def test_another_seed_gives_other_calls() -> None:
    assert generate(seed=7, leads=20, end=END).calls != generate(seed=8, leads=20, end=END).calls


def test_is_in_order_of_time_and_ends_before_the_end(sample: Sample) -> None:
    times = [call["timestamp"] for call in sample.calls]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[-1] < "2026-11-21T09:00:00.000Z"
    assert times[0] > "2026-07-01"


def test_message_ids_are_unique(sample: Sample) -> None:
    assert len({call["messageId"] for call in sample.calls}) == len(sample.calls)


def test_the_default_playbook_speaks_of_every_event_but_those_meant_to_be_unclassified(sample: Sample) -> None:
    """Any other event that no rule, action or signal knows would be a slip of the pen here."""
    playbook = load_playbook()
    matches = [match for signal in playbook.signals.values() for match in signal.any]
    matches += [action.when for channel in playbook.channels.values() for action in channel.actions.values()]
    matches += [rule.when for rule in playbook.behaviour.rules]
    known = {name for match in matches for name in match.names}
    assert set(names(sample)) - known == set(UNCLASSIFIED)
    assert 0.01 < sum(names(sample)[name] for name in UNCLASSIFIED) / len(sample.calls) < 0.03


def test_every_channel_signal_and_report_of_sales_occurs(sample: Sample) -> None:
    playbook = load_playbook()
    happened = set(names(sample))
    for channel in playbook.channels.values():
        assert any(happened & set(action.when.names) for action in channel.actions.values()), channel.label.en
    assert {"BANT Confirmed", "Appointment Made", "Deal Registered", "Deal Won", "Onboarding Completed"} <= happened


def test_reports_of_sales_carry_what_the_playbook_keeps(sample: Sample) -> None:
    kept = set(load_playbook().signals["deal_won"].keep) - {"partner", "presales"}  # named where they took part
    won = [call for call in sample.calls if call.get("event") == "Deal Won"]
    assert won
    assert all(kept <= set(call["properties"]) for call in won)


def test_most_leads_stay_cold_and_every_kind_of_person_occurs(sample: Sample) -> None:
    identified = [call for call in sample.calls if call["type"] == "identify"]
    leads = {call["userId"] for call in identified if "userId" in call}
    won = names(sample)["Deal Won"]
    assert len(leads) > 2900
    assert 0 < won < len(leads) * 0.05
    assert any(call["traits"].get("occupation") == "学生" for call in identified)
    assert any(call["traits"].get("relationship") == "競合" for call in identified)
    assert any(call["traits"].get("company", {}).get("industry") == "官公庁" for call in identified)
    assert any(call["traits"].get("unsubscribed") for call in identified)
    assert {call["traits"]["prefecture"] for call in identified if "prefecture" in call["traits"]} == set(PREFECTURES)


def test_visitors_become_known_and_others_stay_anonymous(sample: Sample) -> None:
    known = {call["anonymousId"] for call in sample.calls if "userId" in call and "anonymousId" in call}
    before = {call["anonymousId"] for call in sample.calls if "userId" not in call and "anonymousId" in call}
    assert known & before
    assert before - known


def test_crawlers_say_what_they_are_and_nobody_else_does(sample: Sample) -> None:
    told = Counter(call.get("context", {}).get("userAgent") for call in sample.calls)
    crawlers = {agent for agent in told if agent is not None and is_crawler(agent)}
    assert 0.01 < sum(told[agent] for agent in crawlers) / len(sample.calls) < 0.03
    assert len(told - Counter(dict.fromkeys(crawlers, len(sample.calls)))) > 3  # people's browsers, and none
    crawled = [call for call in sample.calls if call.get("context", {}).get("userAgent") in crawlers]
    walkers = {call["anonymousId"] for call in crawled}
    assert len(crawled) == sum(call.get("anonymousId") in walkers for call in sample.calls)
    assert all(call["type"] == "page" and "userId" not in call for call in crawled)


def test_some_leads_have_two_devices_and_a_few_share_one(sample: Sample) -> None:
    browsers, people = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for call in sample.calls:
        if "userId" in call and "anonymousId" in call:
            browsers[call["userId"]].add(call["anonymousId"])
            people[call["anonymousId"]].add(call["userId"])
    assert 0.03 < sum(len(ids) > 1 for ids in browsers.values()) / len(browsers) < 0.15
    shared = [browser for browser, ids in people.items() if len(ids) > 1]
    assert 1 <= len(shared) <= 3
    before = {call["anonymousId"] for call in sample.calls if "userId" not in call and "anonymousId" in call}
    assert all(browser in before for browser in shared)  # whose visits these were nobody can tell


def test_some_give_an_address_before_they_log_in(sample: Sample) -> None:
    told: dict[str, list[bool]] = defaultdict(list)  # by address, in order of time: whether the user was known
    for call in sample.calls:
        if call["type"] == "identify" and "email" in call["traits"]:
            told[call["traits"]["email"]].append("userId" in call)
    first_unknown = [known for known in told.values() if known[0] is False and any(known)]
    assert 0.01 < len(first_unknown) / len(told) < 0.1
    by_form = [call for call in sample.calls if "userId" not in call and "anonymousId" not in call]
    assert by_form
    assert {identity_of(call) for call in by_form} <= {id for id in sample.identities if id.startswith("email:")}


def test_addresses_and_browsers_are_mentioned_without_events_of_their_own(sample: Sample) -> None:
    only_mentioned = sample.mentioned - sample.identities
    assert sample.identities < sample.mentioned
    assert {id.split(":")[0] for id in only_mentioned} == {"anon", "email"}


def test_a_few_gateways_click_every_link_at_once(sample: Sample) -> None:
    clicks = defaultdict[str, list[tuple[datetime, str]]](list)
    for call in sample.calls:
        if call.get("event") == "Email Link Clicked":
            at = datetime.fromisoformat(call["timestamp"])
            clicks[call["properties"]["mail_id"]].append((at, call["properties"]["link"]))
    scanned = [
        mail
        for mail, made in clicks.items()
        if any(len({link for at, link in made if at - start < timedelta(seconds=1)}) >= 4 for start, _ in made)
    ]
    assert 0 < len(scanned) / len(clicks) < 0.5


def test_nobody_has_a_real_address(sample: Sample) -> None:
    addresses = [call["traits"]["email"] for call in sample.calls if "email" in call.get("traits", {})]
    assert addresses
    assert all(address.endswith(".example") for address in addresses)


def test_end_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        generate(seed=1, leads=1, end=END.replace(tzinfo=None))
