"""What an erased lead's hand-off comes to, and messages without the people who were erased."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from services.router.batch import Batch
from services.router.erasure.deny_list import DenyList
from services.router.erasure.redacting import impersonal, needles, without
from services.router.lifecycle.erasing import erase
from services.router.lifecycle.model import HandOff, HandOffChange, Lead, Status
from services.router.messages import Colleague, HandOffMessage, Owner, encode, offer_message
from shared.erasure import ErasureKey
from shared.playbook import load_playbook
from tests.score_records import MONDAY, Story

LEAD = Lead(lead_id="a", lane=0, stage="hot", seq=7, department="marketing", attached_to="b", cools_at=MONDAY)
OFFERED = HandOff(
    handoff_id="h",
    lead_id="a",
    status=Status.OFFERED,
    giver="marketing",
    giver_team="marketing",
    receiver="inside-sales",
    team="hq-inside-sales",
    person=None,
    stage="hot",
    offered_at=MONDAY,
    respond_by=None,
    priority="inquiry",
)


def test_an_open_handoff_is_withdrawn_and_says_why() -> None:
    decision = erase(LEAD, OFFERED, MONDAY)
    (change,) = decision.handoffs
    assert (change.handoff.status, change.seq, decision.lead.seq) == (Status.WITHDRAWN, 8, 8)
    assert [(leaf.condition, leaf.name, leaf.value) for leaf in change.reason] == [("erased", None, None)]
    assert (decision.lead.attached_to, decision.lead.cools_at) == (None, None)


def test_a_lead_without_a_handoff_leaves_its_colleagues_only() -> None:
    decision = erase(LEAD, None, MONDAY)
    assert (decision.handoffs, decision.lead.seq, decision.lead.attached_to) == ([], 7, None)


def message() -> HandOffMessage:
    contact = {"name": "山田太郎", "phone": "03-0000-0000", "company.name": "山田製作所", "points.issue": "人手不足"}
    change = HandOffChange(handoff=OFFERED, seq=1, at=MONDAY, reason=[], note="太郎さん")
    offered = offer_message(change, Story("a").record(total=10.5), contact, load_playbook())
    owner = Owner(department=None, team=None, person=None)
    hanako = Colleague(
        lead_id="c", name="花子", title=None, department=None, roles=[], stage="hot", owner=owner, attached=True
    )
    return msgspec.structs.replace(offered, colleagues=[hanako], attached=["c"])


def test_the_last_message_of_a_handoff_holds_no_personal_data() -> None:
    told = encode(impersonal(message())).decode()
    assert not any(word in told for word in ("太郎", "山田", "花子", "人手", "03-0000"))
    assert impersonal(message()).score.total == 10.5


def test_colleagues_are_taken_out_of_a_message_and_all_else_stays() -> None:
    whole = encode(message())
    assert without(whole, {"somebody else"}) == whole
    left = msgspec.json.decode(without(whole, {"c"}), type=HandOffMessage)
    assert left == msgspec.structs.replace(message(), colleagues=[], attached=[])
    assert without(whole, {"a"}) == whole, "whom it is about"


REASONS = [
    ("joined", "a b", "", True),
    ("merged", "x → a b", "", True),
    ("merged", "a b → x", "", True),
    ("merged", "x → y", "x → y", False),
    ("signal", "a bc", "a bc", False),
]


@pytest.mark.parametrize(("condition", "name", "left", "is_found"), REASONS)
def test_names_are_taken_out_of_reasons(condition: str, name: str, left: str, is_found: bool) -> None:
    raw = msgspec.json.encode([{"condition": condition, "met": True, "name": name}])
    assert msgspec.json.decode(without(raw, {"a b"}))[0]["name"] == left
    assert any(needle in raw for needle in needles(["a b"])) == is_found


def test_ids_are_found_as_json_has_them() -> None:
    raw = msgspec.json.encode({"attached": ['say "hi"\\']})
    assert any(needle in raw for needle in needles(['say "hi"\\']))
    assert msgspec.json.decode(without(raw, {'say "hi"\\'})) == {"attached": []}


def test_a_list_without_anybody_leaves_a_batch_as_it_is() -> None:
    nobody = DenyList(ErasureKey("k" * 32))
    contacts = [object()]
    batch = Batch(contacts=contacts)  # type: ignore[arg-type]
    nobody.take_out(batch)
    assert batch.contacts is contacts
    assert not nobody.covers("a", datetime.now(UTC) - timedelta(days=1))
