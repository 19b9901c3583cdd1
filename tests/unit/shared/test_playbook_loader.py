"""A marketer who mistypes something is told where, and what was expected."""

from importlib import resources
from pathlib import Path

import pytest

from shared.playbook import PlaybookError, load_playbook, parse_playbook

DEFAULT = resources.files("shared.playbook").joinpath("default.yaml").read_text("utf-8")


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(DEFAULT.splitlines(), 1) if text in line)


def test_the_default_has_the_stages_of_the_articles() -> None:
    playbook = load_playbook()
    assert [(stage.id, stage.owner) for stage in playbook.stages] == [
        ("awareness", None),
        ("acquired", "marketing"),
        ("nurturing", "marketing"),
        ("excluded", "marketing"),
        ("recycled", "marketing"),
        ("lost", "inside-sales"),
        ("hot", "inside-sales"),
        ("appointment", "field-sales"),
        ("opportunity", "field-sales"),
        ("onboarding", "customer-success"),
        ("expansion", "customer-success"),
    ]
    assert all(stage.label.ja and stage.label.en for stage in playbook.stages)


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        (
            "employees, is: {at_least: 1000}, points: 25",
            "employees, is: {at_least: 1000}, pints: 25",
            "unknown key 'pints'",
        ),
        ("valid_for: 90d", "valid_for: ninety days", "expected a duration such as 30d"),
        ("{total_over: 100}", "{totl_over: 100}", "expected a condition: one of signal, often, total_over"),
        ("{signal: catalogue_requested}, {signal: inq", "{signal: catalog}, {signal: inq", "unknown signal 'catalog'"),
        ("within: 3 working days", "within: 3 days", "expected a working time such as '1 working hour'"),
        ("prefecture: [大阪府", "prefecture: [大坂県", "'大坂県' is no prefecture"),
        ("time_zone: Asia/Tokyo", "time_zone: Asia/Edo", "'Asia/Edo' is no time zone"),
        ("id: employees_300,", "id: employees_50,", "expected unique ids"),
        ("\n  to: recycled", "\n  to: recyled", "unknown stage 'recyled'"),
        ("after: onboarding", "after: onbording", "'onbording' is no earlier stage"),
        ("traits: {email: {present: true}}", "traits: {email: {contains: acme}}", "only presence is kept"),
        ("points: 5, once: true}", "points: 5, once: true, cap_per_day: 3}", "once or cap_per_day, not both"),
        ("    owner: inside-sales\n", "    owner:\n", "expected 'owner'"),
        (
            "field: department, is: {contains: [購買",
            "field: departmnt, is: {contains: [購買",
            "unknown field 'departmnt'",
        ),
        ("share_of_others: 0.1", "share_of_others: 10", "less than or equal to 1"),
        ("personal_domains: []", "personal_domains: [taro@cable.jp]", "should match pattern"),
        ("stale_after: 365d", "stale_after: a year", "expected a duration such as 30d"),
        ("{behaviour_at_least: 1}", "{signal: serious}", "unknown signal 'serious'"),
        ("field: do_not_call, is: true", "field: email, is: taro", "personal data, of which only presence is kept"),
        ("points: 1, cap_per_day: 2, group: mail}", "points: 1, cap_per_day: 2, group: post}", "unknown group 'post'"),
        ("expires: 90d, dimension: adoption}", "expires: 90d, dimension: adopted}", "unknown dimension 'adopted'"),
        ("points: 60, cap_per_day: 60}", "points: -60, cap_ever: 60}", "points of 0 or more where there is a cap_ever"),
        ("points: 8, cap_per_day: 8}", "points: 8, once: true, points_from: x}", "expected once or points_from"),
        ("points: 20, cap_per_day: 20}", "cap_per_day: 20}", "expected points, or points_from"),
        ("cap_per_week: 20}", "cap_per_month: 20}", "unknown key 'cap_per_month'"),
        (
            "mail: {label: {ja: メール, en: Mail}, cap_per_week: 20}",
            "mail: {label: {ja: メール, en: Mail}}",
            "at least one",
        ),
        ("total: {at_least: 0}", "total: {at_least: 0, at_most: 0}", "expected at_least under at_most"),
        ("grades: {A: 45, B: 25, C: 10}", "grades: {A: 45, B: 45, C: 10}", "ask for fewer points from A to C"),
        ("{level_at_least: 4}", "{grade_at_least: D}", "'A', 'B' or 'C'"),
        ("is: {at_least: 300, under: 1000}", "is: {at_least: 300, under: 300}", "no number is over 300 and under 300"),
        ("where: {usage: {at_least: 80}}", "where: {usage: {in: [70, 75], at_least: 80}}", "none of the values passes"),
        ("{field: customer, is: true}", "{field: prefecture, is: 大阪}", "expected '大阪府' instead of '大阪'"),
        ("{field: customer, is: true}", "{field: prefecture, is: 大坂}", "'大坂' is no prefecture"),
        ("when: {event: Inquiry Submitted}, points", "when: {channel: fax}, points", "unknown channel 'fax'; expected"),
        (
            "when: {event: Inquiry Submitted}, points",
            "when: {channel: phone, action: faxed}, points",
            "unknown action of the channel 'phone' 'faxed'; expected one of reached, interested",
        ),
        (
            "when: {event: Inquiry Submitted}, points",
            "when: {action: inquiry}, points",
            "expected the channel of this action beside it",
        ),
        (
            "when: {event: Inquiry Submitted}, points",
            "when: {event: Inquiry Submitted, channel: phone}, points",
            "can never match: no such action of the channel 'phone'",
        ),
        (
            "when: {event: Call Answered}}",
            "when: {channel: phone, action: reached}}",
            "an action is told by the event itself",
        ),
        (
            "when: {any: [{field: target_company, is: true}, {field: target_domain, is: true}]}",
            "when: {any: [{field: target_company, is: true}, {total_over: 50}]}",
            "expected what the lead is: field, attribute_at_least or grade_at_least",
        ),
        ("{any: [{field: target_company, is: true}", "{any: [{field: target, is: true}", "unknown field 'target'"),
        ("{any: [{field: target_company, is: true}", "{any: [{field: target_company, is: アクメ}", "true or empty"),
        ("names: [], domains", "names: [株式会社アクメ, 個人], domains", "'個人' names no company"),
        ("names: [], domains: []", "names: [], domains: [gmail.com]", "'gmail.com' is no company's mail domain"),
        (
            "campaign: {from: [webinar, campaign], ends: [ends_at], ",
            "campaign: {from: [webinar], ",
            "expected ends beside",
        ),
        ("absence: {of: booked", "absence: {of: reserved", "unknown action of the channel 'webinar' 'reserved'"),
        ("without: [attended, surveyed", "without: [booked, surveyed", "can never be concluded: 'booked'"),
        ("campaign: {from: [exhibition, campaign]}", "campaign: {from: []}", "at least 1 item"),
        ("often: approached", "often: aproached", "unknown signal 'aproached'"),
        ("times: 3, within: 7d", "times: 11, within: 7d", "less than or equal to 10"),
        ("times: 3, within: 7d", "times: 3, within: 0d", "expected more than no time"),
        (
            "- {often: approached, times: 3, within: 7d}",
            "- {not: {often: approached, times: 3, within: 7d}}",
            "within 'not'",
        ),
        (
            "when: {signal: deal_won}",
            "when: {often: on_site, times: 3, within: 7d}",
            "expected it in the conditions of guards",
        ),
        ("mql: {at_least: 2, of:", "mql: {at_least: 5, of:", "only 4 are given of which 5 must hold"),
        ("silent: responded, silent_for: 30d", "silent: responded, silent_for: 5m", "expected a day or more"),
        ("  unresponsive: {label", "  rejected: {label", "so leads are called whose hand-off was rejected"),
        ("from: [hot, appointment], silent", "from: [awareness, hot], silent", "at 'awareness' nobody works a lead"),
        ("from: [hot, appointment], silent", "from: [excluded], silent", "at 'excluded' nobody works a lead"),
        ("silent_for: 30d, to: recycled, hold: 30d}", "silent_for: 30d, to: excluded, hold: 30d}", "is an exclusion"),
        ("  to: recycled\n  hold: 30d", "  to: excluded\n  hold: 30d", "'excluded' is an exclusion"),
        ("through: lost, to: recycled, hold: 90d", "through: nurturing, to: recycled, hold: 90d", "only wait there"),
        ("through: lost, to: recycled, hold: 90d", "through: recycled, to: recycled, hold: 90d", "only wait there"),
    ],
)
def test_errors_name_file_line_and_expectation(right: str, wrong: str, expected: str) -> None:
    assert DEFAULT.count(right) >= 1
    changed = DEFAULT.replace(right, wrong, 1)
    line = next(n for n, (a, b) in enumerate(zip(DEFAULT.splitlines(), changed.splitlines(), strict=True), 1) if a != b)
    with pytest.raises(PlaybookError) as caught:
        parse_playbook(changed, "mine.yaml")
    assert any(p.line == line and expected in p.message for p in caught.value.problems), str(caught.value)
    assert f"mine.yaml:{line}: " in str(caught.value)


def test_awaited_are_signals_whose_every_showing_may_lead_a_lead_on() -> None:
    awaited = load_playbook().awaited_signals()
    assert {"responded", "deal_lost", "deal_registered", "inquiry_made", "usage_high"} <= awaited
    # Of these only the first counts, or nobody who was recycled comes to their stages again: they are frequent.
    assert not awaited & {"contact_obtained", "product_site_visited", "mail_clicked", "unsubscribed"}
    further_back = parse_playbook(
        DEFAULT.replace("rejection:\n  to: recycled", "rejection:\n  to: acquired"), "mine.yaml"
    )
    assert further_back.awaited_signals() - awaited == {"product_site_visited", "mail_clicked", "retired"}


def test_all_problems_are_told_together() -> None:
    wrong = DEFAULT.replace("valid_for: 90d", "valid_for: x").replace("half_life: 30d", "half_life: y")
    with pytest.raises(PlaybookError) as caught:
        parse_playbook(wrong, "mine.yaml")
    assert [problem.line for problem in caught.value.problems] == [line_of("valid_for: 90d"), line_of("half_life: 30d")]


def test_a_key_given_twice_is_an_error_not_a_lost_rule() -> None:
    with pytest.raises(PlaybookError, match="the key 'levels' was already given in line"):
        parse_playbook(DEFAULT + "\nlevels: {valid_for: 1d}\n", "mine.yaml")


@pytest.mark.parametrize("text", ["", "- a list", "a: [unclosed", "\tx: 1"])
def test_what_is_no_playbook_at_all(text: str) -> None:
    with pytest.raises(PlaybookError, match=r"mine\.yaml:\d+: "):
        parse_playbook(text, "mine.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"gone\.yaml:1: file: cannot be read"):
        load_playbook(tmp_path / "gone.yaml")


def test_the_id_changes_with_the_content_even_when_the_version_does_not() -> None:
    changed = parse_playbook(DEFAULT.replace("points: 25", "points: 26", 1), "mine.yaml")
    assert changed.id != load_playbook().id
    assert changed.version == load_playbook().version
