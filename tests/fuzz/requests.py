"""Whatever bytes a request has: it is refused, or each of its events is accepted or put aside. Coverage-guided.

    python -m tests.fuzz.requests --seconds 60 [--corpus DIRECTORY]

libFuzzer, through Atheris, changes bytes where that leads to code that was not run before. It ends with an error at the
first request that raises anything else, takes longer than `SECONDS_EACH`, or has memory grow beyond `MEMORY_MIB`; the
request is then in build/fuzz.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services.ingest", "shared.identity", "shared.events", "multipart"]):
    from services.ingest.bodies import unpack
    from services.ingest.errors import Refused
    from services.ingest.reading.cloudevents import read_cloudevents
    from services.ingest.reading.model import Arrival, Envelope
    from services.ingest.reading.parse import parse
    from services.ingest.reading.segment import read_batch, read_call
    from services.ingest.records import records_of
    from services.ingest.webhooks.loading import load_webhooks
    from services.ingest.webhooks.reading import read_webhook
    from shared.events import Kind, decode_event
    from shared.topics import Topics

SECONDS_EACH, MEMORY_MIB, MAX_BYTES = 5, 1024, 64 * 1024
FOUND = Path(__file__).parents[2] / "build" / "fuzz"
ARRIVAL = Arrival("fuzz", datetime(2026, 11, 23, tzinfo=UTC), "/v1/batch", lambda: "assigned")
TOPICS = Topics()
WEBHOOKS = list(load_webhooks(None, {}).values())
CONTENT_TYPES = (
    "",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/cloudevents+json",
)


def read(choice: int, body: bytes) -> Envelope:
    """`choice` says which path it came to, with which headers. Raises `Refused`."""
    content_type = CONTENT_TYPES[choice % 4]
    path = choice // 4 % (3 + len(WEBHOOKS))
    if path == 0:
        return read_call(body, list(Kind)[choice % 6])
    if path == 1:
        return read_batch(body)
    if path == 2:
        # In binary mode the first line stands for the headers.
        line, _, rest = body.partition(b"\n")
        told = line.decode("latin-1").split("|") if choice % 2 else []
        names = ("ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time", "ce-userid")
        return read_cloudevents(rest, {"content-type": content_type, **dict(zip(names, told, strict=False))})
    webhook = WEBHOOKS[path - 3]
    return read_webhook(body, content_type, webhook.mapping, webhook.name)


def request(data: bytes) -> None:
    """The first byte is the choice, the others are the body."""
    try:
        envelope = read(data[0] if data else 0, unpack(data[1:]))
    except Refused:
        return
    parsed = parse(envelope, ARRIVAL)
    rejected = {rejection.index for rejection in parsed.rejected}
    accepted = set(parsed.indices) if parsed.indices else set(range(len(envelope.items))) - rejected
    assert not rejected & accepted, "accepted and put aside"
    assert [decode_event(value) for value in parsed.values] == parsed.accepted
    for record in records_of(parsed, envelope, ARRIVAL, TOPICS):
        assert all(isinstance(value, bytes) for _, value in record.headers)
    for rejection in parsed.rejected:
        assert rejection.raw == bytes(envelope.items[rejection.index]), "byte for byte"


def seeds() -> list[bytes]:
    """One of each kind, from which the fuzzer sets out."""
    call = (
        b'{"type":"track","event":"x","userId":"u","timestamp":"2026-11-23T09:00:00Z","context":{"page":{"url":"a"}}}'
    )
    batch = b'{"batch":[%s,{"type":"identify","traits":{"email":"a@b.jp"}}],"sentAt":"2026-11-23T09:00:00Z"}' % call
    event = b'\n{"specversion":"1.0","id":"1","source":"/s","type":"x","subject":"u","data":{"a":[1,2.5,null]}}'
    form = b"email=a%40b.jp&name=%E5%B1%B1&data[merges][EMAIL]=a@b.jp&type=subscribe&fired_at=2026-11-23+09:00:00"
    multipart = b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\na@b.jp\r\n--x--\r\n'
    hook = (
        b'[{"email":"a@b.jp","timestamp":1795254569,"event":"open","objectId":7,"subscriptionType":"contact.creation"}]'
    )
    bodies = [call, batch, gzip.compress(batch), event, form, multipart, hook]
    return [bytes([choice]) + body for choice in range(4 * (3 + len(WEBHOOKS))) for body in bodies]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path, help="where what was found interesting is kept for the next time")
    given = parser.parse_args()
    FOUND.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(seeds()):
            (Path(directory) / f"seed-{number}").write_bytes(seed)
        corpus = [str(given.corpus)] if given.corpus else []
        limits = [f"-max_total_time={given.seconds}", f"-timeout={SECONDS_EACH}", f"-rss_limit_mb={MEMORY_MIB}"]
        shape = [f"-max_len={MAX_BYTES}", f"-artifact_prefix={FOUND}/", "-print_final_stats=1", "-verbosity=0"]
        atheris.Setup([sys.argv[0], *limits, *shape, *corpus, directory], request)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
