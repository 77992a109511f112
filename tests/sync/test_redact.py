"""What a site answered is kept without secrets, and so that a database and a screen can take it."""

import json
import time

import pytest
from django.db import connection
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync import redact

SECRET = "AbCd1234EfGh5678IjKl"


class TestSecrets:
    @pytest.mark.parametrize(
        ("said", "kept"),
        [
            (f"the secret is whsec_{SECRET}+/=", "the secret is [redacted]"),
            (f"Authorization: Bearer {SECRET}", "Authorization: Bearer [redacted]"),
            (f"authorization: bearer  {SECRET}", "authorization: bearer  [redacted]"),
            ("Basic YWRtaW46aHVudGVyMg==", "Basic [redacted]"),
            (f"webhook-signature: v1,{SECRET}{SECRET}= v1,{SECRET}{SECRET}=", "webhook-signature: [redacted] [redacted]"),
            ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27 is old", "token [redacted] is old"),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxMjM0In0.", "[redacted]"),
            ('{"password": "hunter2", "user": "ada"}', '{"password": "[redacted]", "user": "ada"}'),
            ('{"client_secret":"a\\"b\\\\c","x":1}', '{"client_secret":"[redacted]","x":1}'),
            ('{"API-Key":"abc"}', '{"API-Key":"[redacted]"}'),
            ('{"apiKey": "abc", "refreshToken" : "def"}', '{"apiKey": "[redacted]", "refreshToken" : "[redacted]"}'),
            ('{"token": 123456, "n": 1}', '{"token": "[redacted]", "n": 1}'),
            ('{"Authorization":"abc"}', '{"Authorization":"[redacted]"}'),
            ("https://a.example/cb?access_token=abc&state=1", "https://a.example/cb?access_token=[redacted]&state=1"),
            ("password=hunter2; path=/", "password=[redacted]; path=/"),
            ("postgres://admin:hunter2@db.example/x", "postgres://[redacted]@db.example/x"),
            ("sk_live_abcdefgh12345678", "[redacted]"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nend", "[redacted]\nend"),
        ],
    )
    def test_what_looks_like_a_secret_is_replaced(self, said: str, kept: str) -> None:
        assert redact.redact(said) == kept
        assert redact.response_text(said.encode()) == kept

    def test_json_within_json_is_seen_through(self) -> None:
        assert "hunter2" not in redact.redact('{"error": "bad body: {\\"password\\": \\"hunter2\\"}"}')

    def test_a_secret_that_was_cut_off_is_still_one(self) -> None:
        assert "hunter2" not in redact.redact('{"password": "hunter2')
        assert "abcdef" not in redact.redact('{"token": "abcdef\\')
        assert "MIIE" not in redact.redact("-----BEGIN PRIVATE KEY-----\nMIIE")

    def test_a_secret_that_reaches_beyond_what_is_kept_leaves_no_beginning(self) -> None:
        body = b'{"x": "' + b"x" * 1900 + b'", "password": "' + b"hunter2" * 400 + b'"}'
        assert b"hunter2" not in redact.response_text(body).encode()

    @pytest.mark.parametrize(
        "said",
        [
            '{"error": "the token is missing", "code": 401}',
            "Bearer authentication required",
            "Basic authentication is needed here",
            '{"success": false, "error": "user_01J8ZQ4T9V3M5X7K2B6N8P0R1S is unknown"}',
            "see https://docs.example.com:8080/help",
            '{"email": "ada@example.com", "version": 42}',
            "the secret was not accepted",
            "",
        ],
    )
    def test_ordinary_words_stay(self, said: str) -> None:
        assert redact.redact(said) == said

    @settings(deadline=None)
    @given(st.text())
    def test_doing_it_twice_changes_nothing(self, said: str) -> None:
        once = redact.redact(said)
        assert redact.redact(once) == once

    @pytest.mark.parametrize(
        "piece",
        ['"', '"token', "a", "token", "token=", "eyJ", "eyJaaaaaaaa.", "v1,", "bearer ", "://a", "://", "-----BEGIN PRIVATE KEY-----"]
        + ['"token":"', "\\", '\\"token\\":\\"abc', "whsec_", " ", "sk_live_", ".a", " a.token"],
    )
    def test_a_hostile_answer_does_not_keep_it_busy(self, piece: str) -> None:
        body = (piece * 65536)[:65536].encode()
        started = time.perf_counter()
        redact.response_text(body)
        assert time.perf_counter() - started < 2


class TestFit:
    def test_an_answer_is_kept_up_to_2000_characters(self) -> None:
        assert redact.response_text(b"x" * 65536) == "x" * 2000
        assert redact.response_text("é".encode() * 5000) == "é" * 2000

    def test_what_is_not_utf_8_is_marked_and_the_rest_kept(self) -> None:
        assert redact.response_text(b"caf\xe9 \xff ok") == "caf� � ok"

    def test_an_error_is_one_line_of_at_most_500_characters(self) -> None:
        assert redact.line("a\n\n  b\tc\r\n") == "a b c"
        assert redact.line("x" * 10_000) == "x" * 500
        assert redact.line("x" * 10_000, 7) == "x" * 7

    def test_line_breaks_and_tabs_of_an_answer_are_kept(self) -> None:
        assert redact.response_text(b"a\n\tb\r\n") == "a\n\tb\r\n"

    def test_what_would_drive_a_terminal_or_turn_the_text_around_is_dropped(self) -> None:
        assert redact.clean("\x1b[31mred\x1b[0m \x9b1m\x08\u202egnp.exe\u2066") == "[31mred[0m 1mgnp.exe"

    @pytest.mark.django_db
    @settings(deadline=None)
    @given(st.text(alphabet=st.characters(exclude_categories=())))
    @example("\x00\x01\x1f\x7f \ud800 \udc00 \udfff \uffff \U0010ffff")
    def test_postgresql_takes_every_cleaned_text_as_text_and_within_json(self, said: str) -> None:
        cleaned = redact.clean(said)
        with connection.cursor() as cursor:
            cursor.execute("select %s::text, (%s::jsonb) ->> 'error'", [cleaned, json.dumps({"error": cleaned})])
            assert cursor.fetchone() == (cleaned, cleaned)

    @settings(deadline=None)
    @given(st.binary(max_size=300))
    def test_any_bytes_become_text_that_any_encoding_takes(self, body: bytes) -> None:
        kept = redact.response_text(body)
        assert "\x00" not in kept
        kept.encode("utf-8")
