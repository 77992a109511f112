"""A receiver in Python: signed, with removals. PORT=4007 SYNC_SECRET=whsec_… python receiver.py"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

USERS: dict[str, dict[str, object]] = {}  # stands in for your database
if not os.environ.get("SYNC_SECRET", "").startswith("whsec_") or not os.environ.get("PORT", "").isdigit():
    sys.exit("Set SYNC_SECRET to the whsec_ secret that the hub shows, and PORT to a number.")
WEBHOOK = Webhook(os.environ["SYNC_SECRET"])


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            user = WEBHOOK.verify(body, dict(self.headers.items()))
        except json.JSONDecodeError as error:
            return self.answer(400, {"success": False, "error": f"the body is not JSON: {error}"})
        except (WebhookVerificationError, ValueError) as error:  # ValueError: a malformed signature
            return self.answer(401, {"success": False, "error": str(error)})
        if self.path == "/api/users/sync":
            USERS[user["id"]] = user
        elif self.path == "/api/users/sync/delete":
            USERS.pop(user["id"], None)  # one that is unknown here is success as well
        else:
            return self.answer(404, {"success": False, "error": "not found"})
        self.answer(200, {"success": True, "id": user["id"]})

    def do_GET(self) -> None:
        self.answer(200, {"users": list(USERS.values())})

    def answer(self, status: int, data: dict[str, object]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Receiver).serve_forever()
