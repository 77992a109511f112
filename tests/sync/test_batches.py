"""Sites that take several users a request: each user by its own result."""

from typing import Any

import pytest
from django.db import transaction
from werkzeug import Request, Response

from sites.models import ConnectedSite
from sync.models import Delivery
from tests.scripted_site import ScriptedSite, json_answer
from tests.sync.conftest import attempts, drain, make_due, shown, sql
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


def make(number: int) -> None:
    UserProfile.objects.bulk_create(UserProfile(user_id=f"user_{n}", email=f"u{n}@example.com", full_name="U") for n in range(number))


def results(request: Request, *, but: dict[str, Any] | None = None, reverse: bool = False, without: tuple[str, ...] = ()) -> Response:
    items = [
        {"id": u["id"], "success": True, **((but or {}).get(u["id"]) or {})} for u in request.get_json()["users"] if u["id"] not in without
    ]
    return json_answer({"results": items[::-1] if reverse else items})


@pytest.fixture(autouse=True)
def _batches(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(batch_size=10)


def test_users_travel_in_batches_and_removals_with_them(hrms: ScriptedSite) -> None:
    hrms.answer = results
    make(25)
    drain()
    assert hrms.paths == ["/api/users/sync/batch"] * 3
    assert sorted(len(body["users"]) for body in hrms.bodies) == [5, 10, 10]
    sql("delete from user_profiles where user_id in ('user_3', 'user_4')")
    sql("update user_profiles set role = 'lead' where user_id = 'user_5'")
    drain()
    assert sorted((u["id"], u["action"]) for u in hrms.bodies[-1]["users"]) == [
        ("user_3", "delete"),
        ("user_4", "delete"),
        ("user_5", "upsert"),
    ]
    assert Delivery.objects.filter(status="success").count() == 23
    assert len(attempts()) == 28


def test_one_bad_user_never_fails_its_neighbours_whatever_the_order(hrms: ScriptedSite) -> None:
    hrms.answer = lambda request: results(request, but={"user_2": {"success": False, "error": "no such team"}}, reverse=True)
    make(5)
    drain()
    row = shown("user_2")
    assert (row.status, row.error_message) == ("failed", "The site refused this user: no such team")
    assert Delivery.objects.filter(status="success").count() == 4


def test_the_log_has_of_the_sites_answer_what_concerns_the_user(hrms: ScriptedSite) -> None:
    refused = {"success": False, "error": "the password=hunter2 is wrong"}
    hrms.answer = lambda request: results(request, but={"user_1": refused}, without=("user_2",))
    make(3)
    drain()
    said = {entry.user_id: entry.response for entry in attempts()}
    assert said["user_0"] == '{"id":"user_0","success":true}'
    assert said["user_1"] == '{"id":"user_1","success":false,"error":"the password=[redacted] is wrong"}'
    assert '"user_0"' in said["user_2"], "where the answer has nothing of the user, all of it is kept"
    assert '"user_1"' in said["user_2"]


def test_a_user_the_answer_leaves_out_is_tried_again_alone(hrms: ScriptedSite) -> None:
    hrms.answer = lambda request: results(request, without=("user_1",))
    make(3)
    drain()
    assert shown("user_1").error_message == "The site's answer says nothing about this user"
    assert shown("user_0").status == "success"
    hrms.answer = results
    make_due()
    drain()
    assert [u["id"] for u in hrms.bodies[-1]["users"]] == ["user_1"]
    assert shown("user_1").status == "success"


@pytest.mark.parametrize("code", [400, 413, 422])
def test_a_batch_that_is_refused_as_a_whole_goes_again_in_smaller_ones_at_once(hrms: ScriptedSite, code: int) -> None:
    def small_only(request: Request) -> Response:
        users = request.get_json()["users"]
        if len(users) > 2 or any(u["id"] == "user_7" for u in users):
            return json_answer({"error": "too much"}, code)
        return results(request)

    hrms.answer = small_only
    make(10)
    drain()
    assert Delivery.objects.filter(status="success").count() == 9
    row = shown("user_7")
    assert (row.status, row.attempts) == ("failed", 1)
    assert "too much" in str(row.error_message)


def test_a_batch_cut_short_is_tried_again(hrms: ScriptedSite) -> None:
    hrms.answer = lambda _: Response(b'{"results": [{"id": "user_0", "succ', 200, content_type="application/json")
    make(3)
    drain()
    assert Delivery.objects.filter(status="success").count() == 0
    hrms.answer = results
    make_due()
    drain()
    assert Delivery.objects.filter(status="success").count() == 3


def test_a_batch_is_never_larger_than_a_megabyte(hrms: ScriptedSite) -> None:
    ConnectedSite.objects.update(batch_size=1000)
    hrms.answer = results
    sql(
        "insert into user_profiles (email, full_name, role)"
        " select 'u' || n || '@example.com', repeat('😀', 200), repeat('😀', 100) from generate_series(1, 1000) n"
    )
    drain()
    sizes = [int(received.headers["content-length"]) for received in hrms.requests]
    assert len(sizes) > 1
    assert max(sizes) <= 1_000_000
    assert Delivery.objects.exclude(status="success").values_list("last_error", "status").first() is None
    assert Delivery.objects.count() == 1000


def test_a_push_to_a_site_that_refuses_batches_learns_their_size(hrms: ScriptedSite) -> None:
    hrms.answer = lambda request: json_answer({"error": "one at a time"}, 422) if len(request.get_json()["users"]) > 1 else results(request)
    with transaction.atomic():
        for number in range(4):
            UserProfile.objects.create(user_id=f"user_{number}", email=f"u{number}@example.com", full_name="U")
    assert [len(body["users"]) for body in hrms.bodies] == [4, 2, 2, 1, 1, 1, 1]
    assert Delivery.objects.filter(status="success").count() == 4
