"""A bought list and an export of the CRM through the whole installation, by the mappings that come with it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from services.cli.stack import Stack
from services.router.messages import HandOffMessage, decode_handoff
from shared.kafka import client_options
from shared.settings import CommonSettings

TODAY = date.today()
YESTERDAY = TODAY - timedelta(days=1)
MAPPINGS = Path(__file__).parents[3] / "deploy" / "mappings"
BOUGHT = """会社名,部署名,役職,氏名,メールアドレス,電話番号,都道府県,業種,従業員数
㈱髙島製作所,製造部,部長,山﨑 誠,yamazaki@takashima.example,03-0000-0001,東京都,製造,"1,200"
小売の店,,社長,林 愛,hayashi@kouri.example,03-0000-0002,東京都,小売,5000
株式会社既知,,課長,森 花子,mori@kichi.example,03-0000-0003,大阪府,小売,10
"""
EXPORT = """会社名,部署,役職,氏名,メール,電話,都道府県,業種,従業員数,既存顧客,配信停止,架電禁止
既知商会,,課長,森 花子,mori@kichi.example,03-0000-0003,大阪府,小売,10,,,1
"""


def imported(stack: Stack, folder: Path, name: str, content: bytes, obtained: date) -> str:
    """What the command says of it."""
    mapping, file = folder / f"{name}.yaml", folder / f"{name}.csv"
    mapping.write_text((MAPPINGS / f"{name}.yaml").read_text("utf-8").replace("2026-11-01", str(obtained)), "utf-8")
    file.write_bytes(content.replace(b"\n", b"\r\n"))
    command = [sys.executable, "-m", "services.cli.main", "import", str(file), "--mapping", str(mapping)]
    target = ["--to", stack.access.urls["ingest"], "--write-key", stack.access.write_key]
    result = subprocess.run([*command, *target], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def lead_when(stack: Stack, id: str, **told: Any) -> dict[str, Any]:
    """The lead, once these parts are so."""
    headers, deadline, found = {"authorization": f"Bearer {stack.access.token}"}, time.monotonic() + 60, ""
    while time.monotonic() < deadline:
        response = httpx.get(f"{stack.access.urls['router']}/v1/leads/{id}", headers=headers, timeout=30)
        found = response.text
        if response.is_success:
            lead: dict[str, Any] = response.json()
            if told.items() <= lead.items():
                return lead
        time.sleep(0.1)
    raise AssertionError(f"{id} never had {told}: {found}")


async def handed_over() -> list[HandOffMessage]:
    """The first hand-offs to inside sales, and those that come within two seconds."""
    settings = CommonSettings()
    topic = settings.topics.handoffs("inside-sales")
    consumer = AIOKafkaConsumer(
        topic, **client_options(settings), auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        found: list[HandOffMessage] = []
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [decode_handoff(record.value) for record in records]
                deadline = min(deadline, time.monotonic() + 2)
        return found
    finally:
        await consumer.stop()


def test_a_bought_list_hands_over_whom_the_playbook_narrows_it_to_and_is_marked(stack: Stack, tmp_path: Path) -> None:
    assert "1 rows, 1 events accepted" in imported(
        stack, tmp_path, "crm-contacts", EXPORT.encode("utf-8-sig"), YESTERDAY
    )
    lead_when(stack, "mori@kichi.example", list_kind="house", channel="house_list")
    assert "3 rows, 3 events accepted" in imported(stack, tmp_path, "outside-list", BOUGHT.encode("cp932"), TODAY)

    narrowed = lead_when(stack, "yamazaki@takashima.example", level=2)
    assert (narrowed["list_kind"], narrowed["channel"], narrowed["stage"]["id"]) == (
        "outside",
        "external_database",
        "hot",
    )
    assert (narrowed["listed"]["name"], narrowed["listed"]["obtained"]) == ("製造業データベース", str(TODAY))
    assert narrowed["contact"]["name"] == "山﨑 誠"
    other = lead_when(stack, "hayashi@kouri.example", level=1)
    assert (other["list_kind"], other["stage"]["id"], other["handoff"]) == ("outside", "acquired", None)
    assert other["owner"]["department"] == "marketing"
    known = lead_when(stack, "mori@kichi.example", company="株式会社既知")  # as the bought list has it
    assert (known["list_kind"], known["channel"], known["handoff"]) == ("house", "house_list", None)

    explained = [sys.executable, "-m", "services.cli.main", "explain", narrowed["lead_id"], "-l", "en"]
    router = ["--router", stack.access.urls["router"], "--token", stack.access.token]
    words = subprocess.run([*explained, *router], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Only known from an outside list, and has done nothing yet itself: 製造業データベース" in words

    (handoff,) = asyncio.run(handed_over())
    assert (handoff.contact.name, handoff.company.name) == ("山﨑 誠", "㈱髙島製作所")
    assert (handoff.list_kind, handoff.listed and handoff.listed.name) == ("outside", "製造業データベース")
