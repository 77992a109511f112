"""The `rest` protocol: what is sent where, and what a site's answer means."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.connectors import CONNECTORS
from sync.outcomes import Outcome, Verdict
from sync.payloads import batch_id
from sync.transport import MAX_RESPONSE_BYTES, FailureKind, HttpFailure, HttpResponse
from tests.sync.targets import message, target

rest = CONNECTORS["rest"]
ONE = target()
BATCH = target(batch_size=10)
REMOVAL = message(action="delete", is_active=False)
USERS = [message(1), message(2), message(3)]


def read(body: Any, status: int = 200, *, of: Any = None, **headers: str) -> Verdict:
    """The verdict on one user."""
    (verdict,) = rest.read(ONE, [of or message()], answer(body, status, **headers))
    return verdict


def read_batch(body: Any, status: int = 200, users: Sequence[Any] = USERS) -> list[Verdict]:
    return rest.read(BATCH, users, answer(body, status))


def answer(body: Any, status: int = 200, **headers: str) -> HttpResponse:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, content, {"content-type": "application/json"} | {n.replace("_", "-"): v for n, v in headers.items()})


class TestRequest:
    def test_an_upsert_goes_to_the_sync_path(self) -> None:
        request = rest.build(ONE, [message()])
        assert (request.method, request.url) == ("POST", "https://hrms.example.com/api/users/sync")
        assert json.loads(request.body)["action"] == "upsert"
        assert request.headers["Content-Type"] == "application/json"
        assert request.headers["webhook-id"] == "msg_1_5_0"
        assert (request.timeout, request.connect_timeout) == (10.0, 5.0)

    def test_a_removal_never_goes_to_the_sync_path_where_it_could_bring_the_leaver_back(self) -> None:
        request = rest.build(ONE, [REMOVAL])
        assert request.url == "https://hrms.example.com/api/users/sync/delete"
        assert json.loads(request.body)["action"] == "delete"

    @pytest.mark.parametrize("users", [USERS, USERS[:1], [REMOVAL], [USERS[1], REMOVAL]], ids=["three", "one", "a removal", "mixed"])
    def test_a_site_that_takes_batches_gets_everything_at_the_batch_path(self, users: list[Any]) -> None:
        request = rest.build(BATCH, users)
        assert request.url == "https://hrms.example.com/api/users/sync/batch"
        assert [(user["id"], user["action"]) for user in json.loads(request.body)["users"]] == [(u.user_id, u.action) for u in users]
        assert request.headers["webhook-id"] == batch_id([user.message_id for user in users])

    @pytest.mark.parametrize(
        ("url", "sync_path", "upsert", "removal"),
        [
            ("https://a.example/", "/sync", "https://a.example/sync", "https://a.example/sync/delete"),
            ("https://a.example/base", "/sync", "https://a.example/base/sync", "https://a.example/base/sync/delete"),
            ("https://a.example", "/sync/", "https://a.example/sync/", "https://a.example/sync/delete"),
            ("https://a.example", "/", "https://a.example/", "https://a.example/delete"),
        ],
    )
    def test_url_and_paths_are_put_together_with_one_slash(self, url: str, sync_path: str, upsert: str, removal: str) -> None:
        site = target(url=url, sync_path=sync_path)
        assert rest.build(site, [message()]).url == upsert
        assert rest.build(site, [REMOVAL]).url == removal


class TestAcceptedAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" \r\n\t",
            b"{}",
            b'{"success":true}',
            b'{"success":"false"}',
            b'{"success":null}',
            b'{"success":0}',
            b'\xef\xbb\xbf{"success":true}',
        ],
    )
    def test_2xx_with_nothing_or_an_object_that_does_not_deny_is_delivered(self, status: int, body: bytes) -> None:
        assert read(body, status) == Verdict(Outcome.DELIVERED)

    def test_whatever_else_the_object_says_is_of_no_concern(self) -> None:
        assert read({"error": "none", "nested": [{"success": False}], "n": 10**400}).outcome is Outcome.DELIVERED

    @pytest.mark.parametrize(
        ("given", "kept"), [("abc", "abc"), (42, "42"), (0, "0"), (None, None), (True, None), ([], None), ("", None), (1.5, None)]
    )
    def test_a_remote_id_is_kept_where_it_is_a_text_or_a_whole_number(self, given: Any, kept: str | None) -> None:
        assert read({"remote_id": given}).remote_id == kept

    def test_the_site_confirms_ids_by_naming_the_user_s(self) -> None:
        assert read({"id": "user_1"}).names_user
        assert not read({"id": "user_2"}).names_user
        assert not read({"id": 1}).names_user
        assert not read({}).names_user


class TestRefusals:
    def test_success_false_refuses_the_user_with_the_site_s_reason(self) -> None:
        assert read({"success": False, "error": "role unknown"}) == Verdict(Outcome.PERMANENT, "The site refused this user: role unknown")
        assert read({"success": False}) == Verdict(Outcome.PERMANENT, "The site refused this user: it gave no reason")

    @pytest.mark.parametrize("status", [400, 409, 413, 422])
    def test_these_codes_refuse_the_user(self, status: int) -> None:
        assert read({"error": "role unknown"}, status) == Verdict(
            Outcome.PERMANENT, f"HTTP {status}: the site refused this user (role unknown)"
        )

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ({"error": "a", "message": "b"}, "a"),
            ({"message": "b", "detail": "c"}, "b"),
            ({"detail": "c"}, "c"),
            ({"error": {"code": 7, "message": "within"}}, "within"),
            ({"error": "  two\n lines "}, "two lines"),
            ({"error": "", "message": "b"}, "b"),
            ({"error": 5, "message": None, "detail": ["x"]}, None),
            ({"error": "x" * 1000}, "x" * 300),
            ({"error": "nul\x00 and \ud800 half"}, "nul and half"),
            ({"error": "secret whsec_" + "A" * 32}, "secret [redacted]"),
            (b'{"error": "\\u0000\\ud800bad"}', "bad"),
            (b'{"error": "\xed\xa0\x80bad"}', "bad"),
            ("only a text", None),
            (b"<h1>Bad</h1>", None),
            (b"", None),
        ],
    )
    def test_the_reason_is_found_and_made_fit_to_keep(self, body: Any, reason: str | None) -> None:
        expected = "HTTP 422: the site refused this user" + (f" ({reason})" if reason else "")
        assert read(body, 422).error == expected

    @pytest.mark.parametrize("status", [404, 405])
    def test_a_site_without_removals_is_told_apart_since_access_may_remain(self, status: int) -> None:
        assert read({"error": "no route"}, status, of=REMOVAL) == Verdict(
            Outcome.PERMANENT, f"HTTP {status}: this site cannot remove users; access may remain"
        )
        assert read({"error": "no route"}, status).outcome is Outcome.SITE_BROKEN

    @pytest.mark.parametrize(("status", "outcome"), [(401, Outcome.SITE_BROKEN), (410, Outcome.SITE_BROKEN), (500, Outcome.TRANSIENT)])
    def test_a_removal_otherwise_means_what_an_upsert_would(self, status: int, outcome: Outcome) -> None:
        assert read(b"", status, of=REMOVAL).outcome is outcome

    def test_a_removal_that_got_no_answer_is_tried_again(self) -> None:
        (verdict,) = rest.read(ONE, [REMOVAL], HttpFailure(FailureKind.TIMEOUT, "why"))
        assert verdict == Verdict(Outcome.TRANSIENT, "why")

    def test_a_site_that_asks_to_wait_is_left_alone_for_so_long(self) -> None:
        verdict = read({"error": "slow down"}, 429, retry_after="30")
        assert (verdict.outcome, verdict.retry_after) == (Outcome.THROTTLED, 30.0)


class TestWhatIsNoAnswer:
    @pytest.mark.parametrize(
        "body",
        [
            b"<html><form>Sign in</form></html>",
            b"OK",
            b"[]",
            b"true",
            b"null",
            b'"success"',
            b"42",
            b"{",
            b'{"success":true',
            b"\x00",
            b'{"success":true}\x00',
            b"\xff\xfe\x00",
            b"\xc3\x28",
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b"9" * 60_000,
            b'{"n":' + b"9" * 60_000 + b"}",
        ],
    )
    def test_2xx_with_anything_but_an_object_is_the_site_s_fault(self, body: bytes) -> None:
        verdict = read(body, content_type="text/html; charset=utf-8")
        assert verdict == Verdict(
            Outcome.SITE_BROKEN, "HTTP 200 without a JSON object (text/html; charset=utf-8): a login page? Is the sync path right?"
        )

    def test_an_answer_of_more_than_64_kb_is_the_site_s_fault_although_its_beginning_may_read_well(self) -> None:
        long = HttpResponse(200, b"{}" + b" " * (MAX_RESPONSE_BYTES - 2), truncated=True)
        (verdict,) = rest.read(ONE, [message()], long)
        assert verdict.outcome is Outcome.SITE_BROKEN
        assert "64 kB" in verdict.error

    def test_a_packed_answer_is_named_as_such(self) -> None:
        verdict = read(b"\x1f\x8b\x08", content_encoding="gzip")
        assert verdict.outcome is Outcome.SITE_BROKEN
        assert verdict.error == "HTTP 200 without a JSON object: it is packed (gzip), although the request asked for it not to be"

    @pytest.mark.parametrize("kind", FailureKind)
    def test_no_answer_at_all_is_no_one_s_success(self, kind: FailureKind) -> None:
        for verdict in rest.read(BATCH, USERS, HttpFailure(kind, "why")):
            assert verdict.outcome in {Outcome.TRANSIENT, Outcome.SITE_BROKEN}
            assert verdict.error == "why"


class TestBatches:
    def test_each_user_has_a_result_of_its_own_in_whatever_order(self) -> None:
        verdicts = read_batch(
            {
                "results": [
                    {"id": "user_3", "success": True, "remote_id": 33},
                    {"id": "user_1", "success": True},
                    {"id": "user_2", "success": False, "error": "not in this tenant"},
                ]
            }
        )
        assert verdicts == [
            Verdict(Outcome.DELIVERED, names_user=True, answer=b'{"id":"user_1","success":true}'),
            Verdict(
                Outcome.PERMANENT,
                "The site refused this user: not in this tenant",
                answer=b'{"id":"user_2","success":false,"error":"not in this tenant"}',
            ),
            Verdict(Outcome.DELIVERED, names_user=True, remote_id="33", answer=b'{"id":"user_3","success":true,"remote_id":33}'),
        ]

    @pytest.mark.parametrize(
        "result",
        [
            None,
            {"id": "user_2"},
            {"id": "user_2", "success": "yes"},
            {"id": "user_2", "success": 1},
            {"id": "user_2", "success": None},
            {"id": 2, "success": True},
            {"id": None, "success": True},
            {"id": ["user_2"], "success": True},
            {"success": True},
            {"id": "USER_2", "success": True},
            {"id": "somebody else", "success": True},
            "user_2",
            ["user_2", True],
            7,
        ],
    )
    def test_a_user_without_a_result_is_tried_again_and_fails_no_neighbour(self, result: Any) -> None:
        one, two, three = read_batch({"results": [{"id": "user_1", "success": True}, result, {"id": "user_3", "success": True}]})
        assert (one.outcome, three.outcome) == (Outcome.DELIVERED, Outcome.DELIVERED)
        assert two == Verdict(Outcome.TRANSIENT, "The site's answer says nothing about this user")

    def test_a_user_named_twice_alike_is_taken_once(self) -> None:
        (verdict,) = read_batch({"results": [{"id": "user_1", "success": True}] * 2}, users=USERS[:1])
        assert verdict.outcome is Outcome.DELIVERED

    @pytest.mark.parametrize("order", [[True, False], [False, True]])
    def test_a_user_named_twice_with_opposite_results_is_tried_again(self, order: list[bool]) -> None:
        (verdict,) = read_batch({"results": [{"id": "user_1", "success": success} for success in order]}, users=USERS[:1])
        assert verdict.outcome is Outcome.TRANSIENT

    def test_no_results_at_all_for_anybody(self) -> None:
        assert [verdict.outcome for verdict in read_batch({"results": []})] == [Outcome.TRANSIENT] * 3

    @pytest.mark.parametrize("body", [b"", {}, {"success": True}, {"results": {}}, {"results": None}, {"results": "ok"}])
    def test_a_site_that_answers_without_a_list_of_results_takes_no_batches(self, body: Any) -> None:
        assert read_batch(body) == [Verdict(Outcome.SITE_BROKEN, 'The answer has no list "results": does this path take batches?')] * 3

    def test_what_it_says_instead_is_shown(self) -> None:
        assert read_batch({"success": False, "error": "too old"})[0].error.endswith("(too old)")

    @pytest.mark.parametrize(
        ("status", "outcome"), [(400, Outcome.PERMANENT), (404, Outcome.SITE_BROKEN), (413, Outcome.PERMANENT), (500, Outcome.TRANSIENT)]
    )
    def test_a_status_is_the_verdict_on_all(self, status: int, outcome: Outcome) -> None:
        assert [verdict.outcome for verdict in read_batch(b"", status)] == [outcome] * 3

    def test_a_batch_of_one_is_still_a_batch(self) -> None:
        assert read_batch({"success": True}, users=USERS[:1])[0].outcome is Outcome.SITE_BROKEN


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
)
KEYS = st.sampled_from(["id", "success", "results", "error", "message", "detail", "remote_id"])
OBJECTS = st.dictionaries(KEYS, ANYTHING | st.sampled_from(["user_1", "user_2", True, False]))
BODIES = (
    st.binary()
    | ANYTHING.map(lambda content: json.dumps(content).encode())
    | OBJECTS.map(lambda content: json.dumps(content).encode())
    | st.lists(OBJECTS | ANYTHING).map(lambda items: json.dumps({"results": items}).encode())
)


class TestNothingRaises:
    @settings(deadline=None, max_examples=300)
    @given(BODIES, st.integers(100, 999), st.dictionaries(st.sampled_from(["content-type", "location", "retry-after"]), st.text()))
    def test_whatever_a_site_answers_there_is_one_verdict_a_message(self, body: bytes, status: int, headers: dict[str, str]) -> None:
        for site, users in [(ONE, [message()]), (ONE, [REMOVAL]), (BATCH, USERS)]:
            verdicts = rest.read(site, users, HttpResponse(status, body, headers))
            assert len(verdicts) == len(users)
            for verdict in verdicts:
                assert len(verdict.error) <= 500
                assert bool(verdict.error) == (verdict.outcome is not Outcome.DELIVERED)
                assert "\x00" not in verdict.error + (verdict.remote_id or "")
                (verdict.error + (verdict.remote_id or "")).encode()
                assert (verdict.retry_after is not None) == (verdict.outcome is Outcome.THROTTLED)
                if not 200 <= status < 300:
                    assert verdict.outcome is not Outcome.DELIVERED
