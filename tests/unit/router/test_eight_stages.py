"""One lead through all eight stages (domain C1), with a rejection and a lost deal on the way."""

from __future__ import annotations

from datetime import timedelta

from tests.lives import Life

DAY = timedelta(days=1)


def owner(life: Life) -> tuple[str | None, str | None]:
    return life.lead.department, life.lead.person


def test_a_lead_goes_through_all_eight_stages_and_comes_back_twice() -> None:
    life = Life().shows("on_site").shows("contact_obtained").shows("mail_clicked").shows("inquiry_made")
    assert (life.lead.stage, owner(life)) == ("hot", ("marketing", None))
    life.rejects("wrong_timing")
    assert (life.lead.stage, owner(life)) == ("recycled", ("marketing", None))

    life.shows("inquiry_made", later=40 * DAY).accepts("佐藤")
    assert (life.lead.stage, owner(life)) == ("hot", ("inside-sales", "佐藤"))
    life.shows("bant_needs").shows("bant_authority").shows("appointment_made", later=DAY).accepts("鈴木")
    assert (life.lead.stage, owner(life)) == ("appointment", ("field-sales", "鈴木"))
    life.shows("deal_registered", later=5 * DAY).shows("deal_lost", later=10 * DAY)
    assert (life.lead.stage, owner(life)) == ("lost", ("inside-sales", None))
    life.story.epoch = life.lead.epoch
    life.waits_until(life.story.at + 90 * DAY)
    assert (life.lead.stage, owner(life)) == ("recycled", ("marketing", None))

    life.shows("inquiry_made", later=100 * DAY).accepts("佐藤").shows("appointment_made", later=DAY).accepts("鈴木")
    life.shows("deal_registered", later=5 * DAY).shows("bant_budget").shows("bant_timeframe")
    life.shows("deal_won", later=20 * DAY)
    assert (life.lead.stage, owner(life)) == ("onboarding", ("field-sales", "鈴木"))
    life.accepts("高橋").shows("onboarding_completed", later=20 * DAY)
    assert (life.lead.stage, owner(life)) == ("expansion", ("customer-success", "高橋"))

    assert life.way == [
        *("acquired", "nurturing", "hot", "recycled"),
        *("hot", "appointment", "opportunity", "lost", "recycled"),
        *("hot", "appointment", "opportunity", "onboarding", "expansion"),
    ]
    lead = life.lead
    assert (lead.recycled, lead.recycling, lead.furthest) == (2, "lost", 8)
    assert lead.mql_at is not None
    assert lead.sal_at is not None
    assert lead.sql_at is not None
    assert lead.mql_at < lead.sql_at
    seqs = [
        change.seq
        for item in life.decided
        for change in sorted((*item.decision.stages, *item.decision.handoffs), key=lambda change: change.seq)
    ]
    assert seqs == list(range(1, len(seqs) + 1))
