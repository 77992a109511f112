"""A site and users as a connector knows them, for tests without a database."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sync.connectors.target import Target
from sync.payloads import Message, message_id


def secret(number: int = 1) -> str:
    return "whsec_" + base64.b64encode(bytes([number]) * 32).decode()


TARGET = Target(
    site_id=1,
    name="hrms",
    display_name="HRMS",
    url="https://hrms.example.com",
    sync_path="/api/users/sync",
    connector="rest",
    batch_size=1,
    max_in_flight=8,
    timeout=10.0,
    epoch=1,
    secrets=(secret(),),
)


def target(**fields: Any) -> Target:
    return replace(TARGET, **fields)


def message(number: int = 1, **fields: Any) -> Message:
    plain = Message(
        message_id=message_id(number, 5, 0),
        user_id=f"user_{number}",
        email=f"user{number}@example.com",
        full_name=f"User {number}",
        role="user",
        is_active=True,
        action="upsert",
        version=5,
        updated_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    )
    return replace(plain, **fields)
