"""Whoever changes the directory: callers of the API on the web servers, and people in SQL consoles, all at the same time."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

import psycopg

from tests.chaos.storm.hub import Program

PEOPLE = 120
EMAILS = 150
"""Few, so that the same people and addresses come, go and come again."""
ROLES = ("user", "staff", "manager")


class Editor(threading.Thread):
    """Makes one random edit after the other until it is told to stop. What is refused, or ends with a killed server, is no matter:
    the directory is what the database says."""

    def __init__(self, name: str, seed: str, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self.done: Counter[str] = Counter()
        self.broken = 0
        self.chance = random.Random(seed)
        self._pause = pause
        self._stop_now = threading.Event()

    def edit(self) -> str:
        """Makes one edit and says of which kind it was, or "" where it was refused. Raises OSError or psycopg.Error."""
        raise NotImplementedError

    def run(self) -> None:
        while not self._stop_now.wait(self.chance.uniform(0, 2 * self._pause)):
            try:
                kind = self.edit()
            except (OSError, http.client.HTTPException, psycopg.Error):
                self.broken += 1
                self._stop_now.wait(0.1)
                continue
            if kind:
                self.done[kind] += 1

    def stop(self) -> None:
        self._stop_now.set()
        self.join(30)
        assert not self.is_alive(), f"{self.name} did not end"

    def person(self) -> str:
        return f"user_{self.chance.randrange(PEOPLE):03}"

    def email(self) -> str:
        return f"mail{self.chance.randrange(EMAILS):03}@example.com"

    def full_name(self) -> str:
        return f"Name {self.chance.randrange(10**6)}"

    def choose(self, weights: dict[str, int]) -> str:
        return self.chance.choices(list(weights), list(weights.values()))[0]


class ApiEditor(Editor):
    """Calls the API at a random web server: each of its edits is a save that pushes."""

    WEIGHTS = {"insert": 30, "rename": 25, "email": 15, "role": 10, "deactivate": 8, "activate": 8, "delete": 10}

    def __init__(self, number: int, seed: str, web: Sequence[Program], token: str, pause: float) -> None:
        super().__init__(f"api editor {number}", f"{seed} api {number}", pause)
        self._web = web
        self._token = token

    def edit(self) -> str:
        kind = self.choose(self.WEIGHTS)
        if kind == "insert":
            body = {"userId": self.person(), "email": self.email(), "fullName": self.full_name(), "role": self.chance.choice(ROLES)}
            return self._call("POST", "/api/users", body, kind)
        path = f"/api/users/{self.person()}"
        if kind == "delete":
            return self._call("DELETE", path, None, kind)
        changes: dict[str, Any] = {
            "rename": {"fullName": self.full_name()},
            "email": {"email": self.email()},
            "role": {"role": self.chance.choice(ROLES)},
            "deactivate": {"isActive": False},
            "activate": {"isActive": True},
        }
        return self._call("PATCH", path, changes[kind], kind)

    def _call(self, method: str, path: str, body: Any, kind: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.chance.choice(self._web).port, timeout=10)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            return kind if answer.status < 300 else ""
        finally:
            connection.close()


class SqlEditor(Editor):
    """Writes SQL: single rows, many at once, transactions that are rolled back or put somebody back, a Sync All."""

    STATEMENTS: dict[str, tuple[int, str]] = {
        "insert": (30, "insert into user_profiles (user_id, email, full_name, role) values (%(id)s, %(email)s, %(name)s, %(role)s)"),
        "rename": (25, "update user_profiles set full_name = %(name)s where user_id = %(id)s"),
        "email": (10, "update user_profiles set email = %(email)s where user_id = %(id)s"),
        "role": (10, "update user_profiles set role = %(role)s where user_id = %(id)s"),
        "turn": (10, "update user_profiles set is_active = not is_active where user_id = %(id)s"),
        "delete": (12, "delete from user_profiles where user_id = %(id)s"),
        "many": (3, "update user_profiles set full_name = %(name)s where user_id like left(%(id)s, 7) || '%%'"),
        "back again": (
            4,
            "with gone as (delete from user_profiles where user_id = %(id)s returning *) select count(*) from gone;"
            "insert into user_profiles (user_id, email, full_name) values (%(id)s, %(email)s, %(name)s)",
        ),
        "rolled back": (4, "update user_profiles set full_name = %(name)s where user_id = %(id)s"),
        "sync all": (1, "select sync_all_users()"),
    }

    def __init__(self, number: int, seed: str, url: str, pause: float) -> None:
        super().__init__(f"sql editor {number}", f"{seed} sql {number}", pause)
        self._url = url

    def edit(self) -> str:
        kind = self.choose({name: weight for name, (weight, _) in self.STATEMENTS.items()})
        values = {"id": self.person(), "email": self.email(), "name": self.full_name(), "role": self.chance.choice(ROLES)}
        with psycopg.connect(self._url, connect_timeout=5) as connection:  # one transaction, committed at the end
            for statement in self.STATEMENTS[kind][1].split(";"):
                changed = connection.execute(statement, values if "%(" in statement else None).rowcount
            if kind == "rolled back":
                time.sleep(self.chance.uniform(0, 0.05))  # others meet what is about to be undone
                connection.rollback()
        return kind if changed else ""


class Editors:
    """All of them: `with Editors([...]) as editors:`; they have stopped after the block."""

    def __init__(self, editors: Sequence[Editor]) -> None:
        self.editors = editors

    @property
    def edits(self) -> Counter[str]:
        """What was done so far, by its kind."""
        return sum((editor.done for editor in self.editors), Counter())

    @property
    def broken(self) -> int:
        """Calls that ended without an answer, because their server was killed."""
        return sum(editor.broken for editor in self.editors)

    def __enter__(self) -> Self:
        for editor in self.editors:
            editor.start()
        return self

    def __exit__(self, *_: object) -> None:
        for editor in self.editors:
            editor.stop()
