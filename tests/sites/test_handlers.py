"""The code that is shown for copying works: signed users are kept, older ones ignored, unsigned ones refused."""

import asyncio
import json
import subprocess
import sys
import types
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from standardwebhooks import Webhook

from sites.handlers import handlers_of
from sites.models import ConnectedSite, new_signing_secret

SECRET = new_signing_secret()
SITE = ConnectedSite(name="hrms", display_name="HRMS", url="https://hrms.example.com", sync_path="/hooks/people")


def code(title: str) -> str:
    return next(example.code for example in handlers_of(SITE).examples if example.title == title)


def signed(version: int, full_name: str = "Ann", *, secret: str = SECRET) -> tuple[dict[str, str], bytes]:
    user = {"id": "user_1", "version": version, "email": "ann@example.com", "full_name": full_name, "role": "user", "is_active": True}
    body, now = json.dumps(user), datetime.now(UTC)
    signature = Webhook(secret).sign(f"msg_{version}", now, body)
    return {"webhook-id": f"msg_{version}", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}, body.encode()


class Users:
    """A site's table, as the code asks for it."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    # Django's manager
    def filter(self, id: str) -> Any:
        row = self.rows.get(id)
        return types.SimpleNamespace(first=lambda: types.SimpleNamespace(**row) if row else None)

    def update_or_create(self, id: str, defaults: dict[str, Any]) -> None:
        self.rows[id] = {"id": id, **defaults}

    # the `db` of the others
    async def find(self, id: str) -> Any:
        return self.rows.get(id)

    async def save(self, row: dict[str, Any]) -> None:
        self.rows[row["id"]] = row


def expect_the_rules(send: Any, users: Users) -> None:
    """Sends what a hub may send: `send(removal, headers, body)` answers with the status."""
    assert send(False, *signed(5)) == 200
    assert (users.rows["user_1"]["full_name"], users.rows["user_1"]["removed"]) == ("Ann", False)
    assert send(False, *signed(4, "Older")) == 200
    assert users.rows["user_1"]["full_name"] == "Ann"
    assert send(True, *signed(7)) == 200
    assert users.rows["user_1"]["removed"] is True
    assert send(False, *signed(6)) == 200
    assert users.rows["user_1"]["removed"] is True
    assert send(False, *signed(9, secret=new_signing_secret())) == 401
    assert users.rows["user_1"]["version"] == 7


@pytest.fixture(autouse=True)
def _the_secret_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNC_SECRET", SECRET)


def test_the_django_view_keeps_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    users = Users()
    models = types.ModuleType("shop.models")
    models.SyncedUser = types.SimpleNamespace(objects=users)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shop", types.ModuleType("shop"))
    monkeypatch.setitem(sys.modules, "shop.models", models)
    module: dict[str, Any] = {"__name__": "shop.urls", "__package__": "shop"}
    exec(code("Django"), module)  # noqa: S102
    routes = {str(route.pattern): route for route in module["urlpatterns"]}

    def send(removal: bool, headers: dict[str, str], body: bytes) -> int:
        route = routes["hooks/people/delete" if removal else "hooks/people"]
        request = RequestFactory().post("/", body, content_type="application/json", headers=headers)
        return int(route.callback(request, **route.default_args).status_code)

    expect_the_rules(send, users)


def test_the_fastapi_handler_keeps_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    class HTTPException(Exception):
        def __init__(self, status: int, detail: str) -> None:
            self.status = status

    class FastAPI:
        def __init__(self) -> None:
            self.routes: dict[str, Any] = {}

        def post(self, path: str) -> Any:
            return lambda handler: self.routes.setdefault(path, handler)

    fastapi = types.ModuleType("fastapi")
    fastapi.__dict__.update(FastAPI=FastAPI, HTTPException=HTTPException, Request=object)
    monkeypatch.setitem(sys.modules, "fastapi", fastapi)
    users = Users()
    module: dict[str, Any] = {"db": users}
    exec(code("FastAPI"), module)  # noqa: S102

    def send(removal: bool, headers: dict[str, str], body: bytes) -> int:
        async def read() -> bytes:
            return body

        request = types.SimpleNamespace(headers=headers, body=read)
        try:
            asyncio.run(module["app"].routes["/hooks/people/delete" if removal else "/hooks/people"](request))
        except HTTPException as error:
            return error.status
        return 200

    expect_the_rules(send, users)


NODE = """
import { POST } from "./route.mjs";
const rows = new Map();
globalThis.db = { find: async (id) => rows.get(id), save: async (row) => rows.set(row.id, row) };
const told = [];
for (const [headers, body] of JSON.parse(process.argv[2])) {
  const answer = await POST(new Request("http://site/", { method: "POST", headers, body }));
  told.push([answer.status, rows.get("user_1")?.full_name ?? null]);
}
console.log(JSON.stringify(told));
"""

LIBRARY = """
import { createHmac } from "node:crypto";
export class Webhook {
  constructor(secret) { this.key = Buffer.from(secret.replace(/^whsec_/, ""), "base64"); }
  verify(body, headers) {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    const expected = "v1," + createHmac("sha256", this.key).update(signed).digest("base64");
    if (headers["webhook-signature"] !== expected) throw new Error("no matching signature");
    return JSON.parse(body);
  }
}
"""
"""Stands in for the package of the same name, with the same class."""


def test_the_next_js_handler_keeps_the_rules(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "standardwebhooks"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "standardwebhooks", "type": "module", "exports": "./index.js"}')
    (package / "index.js").write_text(LIBRARY)
    (tmp_path / "route.mjs").write_text(code("Next.js"))
    (tmp_path / "run.mjs").write_text(NODE)
    sent = [signed(5), signed(4, "Older"), signed(6, "Ann Other"), signed(9, "Nobody", secret=new_signing_secret())]
    given = json.dumps([[headers, body.decode()] for headers, body in sent])
    ran = subprocess.run(["node", "run.mjs", given], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)  # noqa: S607
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [[200, "Ann"], [200, "Ann"], [200, "Ann Other"], [401, "Ann Other"]]
    assert "app/hooks/people/delete/route.js, with removed: true" in code("Next.js")
