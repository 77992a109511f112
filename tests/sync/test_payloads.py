"""What a site is told about a user, and the ids it is told under."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import permutations
from typing import Any

import pytest

from sync import payloads
from sync.payloads import Message

ADA = Message(
    message_id="msg_7_42_0",
    user_id="user_123",
    email="ada@example.com",
    full_name="Ada Lovelace",
    role="admin",
    is_active=True,
    action="upsert",
    version=42,
    updated_at=datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
)


def body(message: Message) -> dict[str, Any]:
    """What the site reads."""
    content: dict[str, Any] = json.loads(message.encoded)
    return content


class TestBody:
    def test_it_is_flat_and_has_what_the_protocol_names(self) -> None:
        assert body(ADA) == {
            "id": "user_123",
            "email": "ada@example.com",
            "full_name": "Ada Lovelace",
            "role": "admin",
            "is_active": True,
            "action": "upsert",
            "version": 42,
            "updated_at": "2026-01-31T09:30:00+00:00",
        }

    def test_the_previous_email_is_told_when_the_site_knows_another_one(self) -> None:
        assert body(replace(ADA, previous_email="old@example.com"))["previous_email"] == "old@example.com"

    @pytest.mark.parametrize("nothing", [None, ""])
    def test_otherwise_the_key_is_not_there(self, nothing: str | None) -> None:
        assert "previous_email" not in body(replace(ADA, previous_email=nothing))

    def test_the_removal_of_a_user_whose_row_is_gone_has_no_date(self) -> None:
        assert body(replace(ADA, action="delete", is_active=False, updated_at=None))["updated_at"] is None

    def test_a_date_keeps_its_offset(self) -> None:
        moment = datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=2)))
        assert body(replace(ADA, updated_at=moment))["updated_at"] == "2026-01-31T09:30:00+02:00"


class TestEncode:
    def test_it_is_compact_utf_8_that_reads_back_the_same(self) -> None:
        message = replace(ADA, full_name='Zoë "Z" \\ 李 \U0001f600\n\t')
        assert body(message) == body(ADA) | {"full_name": message.full_name}
        assert "Zoë".encode() in message.encoded
        assert b'": ' not in message.encoded
        assert b', "' not in message.encoded


class TestMessageId:
    def test_it_is_stable_over_retries(self) -> None:
        assert payloads.message_id(7, 42, 0) == payloads.message_id(7, 42, 0) == "msg_7_42_0"

    def test_it_is_new_for_newer_content_for_a_forced_resend_and_for_another_delivery(self) -> None:
        ids = [payloads.message_id(*numbers) for numbers in [(7, 42, 0), (7, 43, 0), (7, 42, 1), (8, 42, 0), (74, 2, 0), (7, 4, 20)]]
        assert len(set(ids)) == len(ids)

    def test_it_has_no_dot_which_separates_what_is_signed(self) -> None:
        assert "." not in payloads.message_id(10**18, 10**18, 10**9)
        assert "." not in payloads.batch_id(["msg_1_1_0"])


class TestBatchId:
    def test_the_same_members_in_any_order_are_the_same_message(self) -> None:
        members = ["msg_1_5_0", "msg_2_5_0", "msg_3_9_1"]
        assert len({payloads.batch_id(list(order)) for order in permutations(members)}) == 1

    @pytest.mark.parametrize(
        "other",
        [
            ["msg_1_5_0"],
            ["msg_1_5_0", "msg_2_6_0"],
            ["msg_1_5_0", "msg_2_5_1"],
            ["msg_1_5_0", "msg_2_5_0", "msg_3_1_0"],
            ["msg_1_5_0msg_2_5_0"],
        ],
        ids=["fewer", "newer content", "a forced resend", "more", "glued together"],
    )
    def test_other_members_are_another_message(self, other: list[str]) -> None:
        assert payloads.batch_id(other) != payloads.batch_id(["msg_1_5_0", "msg_2_5_0"])

    def test_it_fits_its_column_whatever_the_size_of_the_batch(self) -> None:
        assert len(payloads.batch_id([payloads.message_id(number, 10**12, 0) for number in range(1000)])) <= 120


class TestDigest:
    @pytest.mark.parametrize(
        "change", [{"email": "x@example.com"}, {"full_name": "x"}, {"role": "user"}, {"is_active": False}, {"action": "delete"}]
    )
    def test_it_changes_with_every_attribute_a_site_holds(self, change: dict[str, Any]) -> None:
        assert payloads.digest(replace(ADA, **change)) != payloads.digest(ADA)

    @pytest.mark.parametrize("change", [{"version": 43}, {"message_id": "x"}, {"updated_at": None}, {"previous_email": "x@example.com"}])
    def test_it_stays_the_same_when_only_the_sending_differs(self, change: dict[str, Any]) -> None:
        assert payloads.digest(replace(ADA, **change)) == payloads.digest(ADA)

    def test_attributes_cannot_be_shifted_into_one_another(self) -> None:
        one, other = replace(ADA, email="a", full_name="bc"), replace(ADA, email="ab", full_name="c")
        assert payloads.digest(one) != payloads.digest(other)
