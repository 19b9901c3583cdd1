"""A real funnel through the whole stack: the router's numbers must equal those counted from the files.

The "Marketing Funnel by Olist" data is public, but not ours to ship: the test looks for it in $TASUKI_OLIST_DIR, or in
shared/data/olist beside the checkout, and says so when it is not there.
"""

from __future__ import annotations

import asyncio
import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from services.cli.demo.arrived import logged_ids
from services.cli.demo.drain import Gauge, drained
from services.cli.stack import Stack, StackOptions, start_stack
from shared.parts import Parts
from shared.parts.ports import free_ports
from shared.playbook import load_playbook

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TASUKI_OLIST_DIR") or ROOT.parent / "shared" / "data" / "olist")
LEADS = DATA / "olist_marketing_qualified_leads_dataset.csv"
DEALS = DATA / "olist_closed_deals_dataset.csv"
PARTITIONS = 4
TOKEN, WRITE_KEY = "tk_olist", "wk_olist"

pytestmark = [
    pytest.mark.skipif(
        not (LEADS.exists() and DEALS.exists()),
        reason=f"the Olist files are not in {DATA}: set TASUKI_OLIST_DIR to where they are",
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def stack(parts: Parts) -> Iterator[Stack]:
    """The three services on the run's parts, with a database and topics of their own."""
    name = f"olist_{os.getpid()}"
    ports = zip(("INGEST", "SCORER", "ROUTER"), free_ports(3), strict=True)
    with pytest.MonkeyPatch.context() as environment:
        for variable in [variable for variable in os.environ if variable.startswith("TASUKI_")]:
            environment.delenv(variable)
        environment.setenv("TASUKI_KAFKA_BOOTSTRAP", parts.kafka_bootstrap)
        environment.setenv("TASUKI_DATABASE_URL", parts.postgres.create_database(name))
        environment.setenv("TASUKI_TOPIC_PREFIX", f"{name}.")
        environment.setenv("TASUKI_WRITE_KEY", WRITE_KEY)
        environment.setenv("TASUKI_TOKEN", TOKEN)
        for service, port in ports:
            environment.setenv(f"TASUKI_{service}_PORT", str(port))
        with start_stack(StackOptions(partitions=PARTITIONS), print) as running:
            yield running


@pytest.fixture(scope="module")
def imported(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Both files through the command line and the HTTP API, and all the way to the ledger."""
    state = tmp_path_factory.mktemp("olist")
    for file, mapping in ((LEADS, "olist-leads.yaml"), (DEALS, "olist-deals.yaml")):
        result = subprocess.run(
            [
                *(sys.executable, "-m", "services.cli.main", "import", str(file)),
                *("--mapping", str(ROOT / "deploy" / "mappings" / mapping)),
                *("--to", stack.access.urls["ingest"], "--write-key", WRITE_KEY, "--state-dir", str(state)),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        assert " 0 rejected" in result.stdout
    asyncio.run(until_drained(stack, len(rows(LEADS)) + len(rows(DEALS))))
    return stack


async def until_drained(stack: Stack, events: int) -> None:
    engine = create_async_engine(stack.database_url)
    try:
        async with Gauge(stack.settings, PARTITIONS, engine) as gauge:
            await drained(gauge, events)
            logged = await logged_ids(stack.settings)
            assert (len(logged), logged.total()) == (events, events)
            assert await gauge.dead_letters() == 0
    finally:
        await engine.dispose()


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def ask(stack: Stack, path: str, **parameters: str) -> Any:
    response = httpx.get(
        stack.access.urls["router"] + path,
        params=parameters,
        headers={"authorization": f"Bearer {TOKEN}"},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    return response.json()


def test_leads_and_won_deals_per_origin(imported: Stack) -> None:
    origins = {row["mql_id"]: row["origin"] for row in rows(LEADS)}
    leads, won = Counter(origins.values()), Counter(origins[row["mql_id"]] for row in rows(DEALS))
    channels = ask(imported, "/v1/kpi/channels")
    # A cell that is empty in the file is no medium: null, and not the medium "unknown", which the file has too.
    assert {row["channel"] for row in channels} == {"contact_form"}
    assert {row["medium"] or "": row["leads"] for row in channels} == dict(leads)
    assert {row["medium"] or "": row["won"] for row in channels if row["won"]} == dict(won)
    assert (leads.total(), won.total()) == (8000, 842)


@pytest.mark.parametrize(("people", "column"), [("inside_sales", "sdr_id"), ("field_sales", "sr_id")])
def test_won_deals_per_person(imported: Stack, people: str, column: str) -> None:
    deals = rows(DEALS)
    counted = ask(imported, "/v1/kpi/departments")[people]
    assert {row["person"]: row["won"] for row in counted} == dict(Counter(row[column] for row in deals))
    amounts: Counter[str] = Counter()
    for row in deals:
        amounts[row[column]] += round(float(row["declared_monthly_revenue"]) * 100)
    assert {row["person"]: round(float(row["amount"]) * 100) for row in counted} == dict(amounts)


def test_stages_follow_the_files(imported: Stack) -> None:
    funnel = {row["stage"]: row["now"] for row in ask(imported, "/v1/kpi/funnel")}
    assert sum(funnel.values()) == 8000
    assert funnel["onboarding"] == 842


def test_history_offers_nothing_and_starts_no_deadline(imported: Stack) -> None:
    assert ask(imported, "/v1/handoffs")["handoffs"] == []
    assert not any(ask(imported, "/v1/audit").values())
    asyncio.run(no_messages_in_handoff_topics(imported))


async def no_messages_in_handoff_topics(stack: Stack) -> None:
    engine = create_async_engine(stack.database_url)
    try:
        async with Gauge(stack.settings, PARTITIONS, engine) as gauge:
            for department in load_playbook().departments:
                assert await gauge.records(stack.settings.topics.handoffs(department), PARTITIONS) == 0
    finally:
        await engine.dispose()
