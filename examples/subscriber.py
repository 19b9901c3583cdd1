"""Takes hand-offs for a sales tool: reads Kafka, leaves out what it has seen, and accepts over HTTP.

pip install aiokafka httpx; TASUKI_TOKEN=tk_… python examples/subscriber.py
"""

import asyncio
import json
import os

import httpx
from aiokafka import AIOKafkaConsumer

TOPIC = os.environ.get("TOPIC", "tasuki.handoffs.inside-sales")
KAFKA = os.environ.get("TASUKI_KAFKA_BOOTSTRAP", "127.0.0.1:9092")
ROUTER = os.environ.get("TASUKI_ROUTER_URL", "http://127.0.0.1:8082")
TOKEN = {"Authorization": f"Bearer {os.environ['TASUKI_TOKEN']}"}


async def main() -> None:
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=KAFKA, group_id="sales-tool", auto_offset_reset="earliest",
        isolation_level="read_committed", enable_auto_commit=False,
    )  # fmt: skip
    seen = set[bytes]()  # better: a unique column of your database, written together with what you do
    async with consumer, httpx.AsyncClient(base_url=ROUTER, headers=TOKEN) as tasuki:
        async for message in consumer:
            headers = dict(message.headers)
            if headers["ce_id"] not in seen and headers["ce_type"] == b"tasuki.handoff.offered":
                handoff = json.loads(message.value)
                taken = {"person": handoff["person"] or "ito"}
                answer = await tasuki.post(f"/v1/handoffs/{handoff['handoff_id']}/accept", json=taken)
                if answer.status_code != 409:  # somebody else has answered, or it has been withdrawn
                    answer.raise_for_status()
                print(handoff["lead_id"], handoff["contact"]["name"], answer.status_code, flush=True)
                seen.add(headers["ce_id"])
            await consumer.commit()  # after the work: whatever stops you, nothing is missed


if __name__ == "__main__":
    asyncio.run(main())
