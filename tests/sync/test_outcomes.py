"""What an answer means: the protocol's table, line by line."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync import outcomes
from sync.outcomes import Outcome, Verdict
from sync.transport import FailureKind, HttpFailure, HttpResponse

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def of_status(code: int, **headers: str) -> Verdict | None:
    return outcomes.of_status(HttpResponse(code, headers={name.replace("_", "-"): value for name, value in headers.items()}), NOW)


def verdict(code: int, **headers: str) -> Verdict:
    found = of_status(code, **headers)
    assert found is not None
    return found


class TestStatus:
    @pytest.mark.parametrize("code", [200, 201, 202, 204, 206, 299])
    def test_the_body_decides_on_2xx(self, code: int) -> None:
        assert of_status(code) is None

    @pytest.mark.parametrize("code", [300, 301, 302, 303, 304, 307, 308, 399])
    def test_a_redirect_is_the_site_s_fault_and_its_target_is_named(self, code: int) -> None:
        found = verdict(code, location="https://login.example.com/sso")
        assert found.outcome is Outcome.SITE_BROKEN
        assert "redirects to https://login.example.com/sso" in found.error
        assert f"HTTP {code}" in found.error

    def test_a_redirect_that_names_no_target_says_so(self) -> None:
        assert "redirects to an address it does not name" in verdict(302).error

    def test_a_redirect_s_target_loses_what_must_not_be_kept(self) -> None:
        error = verdict(302, location="https://a.example/?token=abcdef123\x00\ud800&next=" + "x" * 1000).error
        assert "abcdef123" not in error
        assert "\x00" not in error
        assert len(error) < 400

    @pytest.mark.parametrize("code", [401, 403, 404, 405, 410, 415])
    def test_these_are_the_site_s_fault_and_each_says_what_to_check(self, code: int) -> None:
        found = verdict(code)
        assert found.outcome is Outcome.SITE_BROKEN
        assert found.error == f"HTTP {code}: {outcomes.HINTS[code]}"

    @pytest.mark.parametrize("code", [402, 406, 407, 411, 412, 418, 421, 423, 426, 428, 431, 451, 499])
    def test_any_other_4xx_speaks_of_the_site_and_gives_up_on_nobody(self, code: int) -> None:
        assert verdict(code).outcome is Outcome.SITE_BROKEN

    @pytest.mark.parametrize("code", [400, 409, 413, 422])
    def test_these_refuse_the_user_for_good(self, code: int) -> None:
        assert verdict(code) == Verdict(Outcome.PERMANENT, f"HTTP {code}: the site refused this user")

    @pytest.mark.parametrize("code", [408, 425, 500, 501, 502, 503, 504, 507, 520, 599, 600, 999, 100, 101])
    def test_these_pass(self, code: int) -> None:
        assert verdict(code).outcome is Outcome.TRANSIENT

    @pytest.mark.parametrize("code", [429, 503])
    def test_these_make_the_whole_site_wait_as_long_as_it_says(self, code: int) -> None:
        found = verdict(code, retry_after="120")
        assert (found.outcome, found.retry_after) == (Outcome.THROTTLED, 120.0)
        assert found.error == f"HTTP {code}: the site asks to wait 120 s"

    @pytest.mark.parametrize("code", [429, 503])
    @pytest.mark.parametrize("value", [None, "", "soon", "-5", "1.5"])
    def test_without_a_wait_that_can_be_read_they_pass(self, code: int, value: str | None) -> None:
        found = verdict(code, **({} if value is None else {"retry_after": value}))
        assert (found.outcome, found.retry_after) == (Outcome.TRANSIENT, None)

    @pytest.mark.parametrize("code", [400, 404, 500, 502])
    def test_a_wait_counts_only_where_the_table_has_it(self, code: int) -> None:
        assert verdict(code, retry_after="120").retry_after is None

    @settings(deadline=None)
    @given(st.integers(), st.text())
    def test_no_status_and_no_header_raises(self, code: int, header: str) -> None:
        found = outcomes.of_status(HttpResponse(code, headers={"retry-after": header, "location": header}), NOW)
        assert (found is None) == (200 <= code < 300)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("1", 1),
            ("120", 120),
            (" 60 ", 60),
            ("3600", 3600),
            ("3601", 3600),
            ("9" * 400, 3600),
            ("0", 1),  # else the site is asked again at once, for ever
            ("000", 1),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
            (format_datetime(NOW + timedelta(days=3), usegmt=True), 3600),
            (format_datetime(NOW - timedelta(days=3), usegmt=True), 1),
            ("Sun, 01 Mar 2026 14:01:00 +0200", 60),
            ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
            ("Sun Mar  1 12:01:00 2026", 60),
            ("Sun, 01 Mar 2026 12:01:00 -0000", 60),
        ],
    )
    def test_seconds_and_dates_are_read_within_an_hour(self, value: str, seconds: float) -> None:
        assert outcomes.retry_after(value, NOW) == seconds

    @pytest.mark.parametrize(
        "value",
        [None, "", "  ", "-1", "-120", "1.5", "+5", "1e3", "soon", "²", "１２", "12 s", "0x10", "Mon, 99 Foo 2026 99:99:99 GMT", ",", "1,2",
         "Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 +99999999999", "\x00", "a" * 10_000],
    )  # fmt: skip
    def test_what_cannot_be_read_is_no_wait(self, value: str | None) -> None:
        assert outcomes.retry_after(value, NOW) is None

    @settings(deadline=None)
    @given(st.text())
    def test_nothing_raises_and_every_wait_is_within_bounds(self, value: str) -> None:
        found = outcomes.retry_after(value, NOW)
        assert found is None or 1 <= found <= 3600


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("kind", "outcome", "connection_failed"),
        [
            (FailureKind.CONNECT, Outcome.TRANSIENT, True),
            (FailureKind.DNS, Outcome.TRANSIENT, True),
            (FailureKind.TLS, Outcome.SITE_BROKEN, True),
            (FailureKind.TIMEOUT, Outcome.TRANSIENT, False),
            (FailureKind.RESET, Outcome.TRANSIENT, False),
            (FailureKind.CUT_SHORT, Outcome.TRANSIENT, False),
            (FailureKind.BLOCKED, Outcome.SITE_BROKEN, False),
        ],
    )
    def test_each_kind_of_failure_has_its_outcome(self, kind: FailureKind, outcome: Outcome, connection_failed: bool) -> None:
        found = outcomes.of_failure(HttpFailure(kind, "why"))
        assert found == Verdict(outcome, "why", connection_failed=connection_failed)

    def test_every_kind_is_in_the_table(self) -> None:
        assert all(outcomes.of_failure(HttpFailure(kind, "why")).error == "why" for kind in FailureKind)


class TestVerdict:
    def test_its_texts_fit_a_database_and_hold_no_secret_wherever_they_came_from(self) -> None:
        found = Verdict(Outcome.PERMANENT, "no\x00t \ud800a\nuser: whsec_" + "A" * 32, remote_id="4\x002\udfff")
        assert found.error == "not a user: [redacted]"
        assert found.remote_id == "42"

    def test_its_texts_are_of_bounded_length(self) -> None:
        found = Verdict(Outcome.PERMANENT, "e" * 10_000, remote_id="r" * 10_000)
        assert len(found.error) == 500
        assert found.remote_id == "r" * 200

    def test_a_remote_id_of_which_nothing_is_left_is_none(self) -> None:
        assert Verdict(Outcome.DELIVERED, remote_id="\x00").remote_id is None
