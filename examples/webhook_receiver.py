"""Takes webhooks: verifies the signature, leaves out what it has seen, and answers quickly. Needs Python alone.

TASUKI_WEBHOOK_SECRET=whsec_… python examples/webhook_receiver.py
"""

import base64
import hmac
import json
import os
import time
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["TASUKI_WEBHOOK_SECRET"].removeprefix("whsec_"))
SEEN = set[str]()  # better: a unique column of your database, written together with what you do


def is_genuine(headers: Message, body: bytes) -> bool:
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False  # an old one, sent again by somebody else
    digest = hmac.digest(KEY, f"{id}.{timestamp}.".encode() + body, "sha256")
    expected = b"v1," + base64.b64encode(digest)
    # Two while the secret is replaced. Compare the body as it came, not as it is after parsing.
    return any(hmac.compare_digest(expected, one.encode()) for one in headers.get("webhook-signature", "").split())


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        genuine = is_genuine(self.headers, body)
        if genuine and self.headers["webhook-id"] not in SEEN:
            event = json.loads(body)  # a CloudEvent: event["type"], event["subject"] (the lead), event["data"]
            print(event["type"], event["subject"], event["data"].get("seq"), flush=True)
            SEEN.add(self.headers["webhook-id"])
        self.send_response(204 if genuine else 401)
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Receiver).serve_forever()
