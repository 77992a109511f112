"""Sync through the JSON API: one user, everybody, a run's progress, a user's status."""

from pathlib import Path
from typing import Any

import pytest

from sites.models import ConnectedSite
from sync import operations
from sync.models import SyncRun, UserSyncLog
from tests.api import ApiCaller, connect, error_of, sample_site, with_token
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def api(transactional_db: None) -> ApiCaller:
    return with_token()


def user(user_id: str = "user_1", **fields: Any) -> UserProfile:
    return UserProfile.objects.create(**{"user_id": user_id, "email": f"{user_id}@example.com", "full_name": "Ada", **fields})


def run_of(answer: dict[str, Any]) -> SyncRun:
    return SyncRun.objects.get(public_id=answer["runId"])


def test_syncing_a_user_sends_again_although_nothing_changed(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms, sample_site("cms", tmp_path) as cms:
        connect(hrms)
        connect(cms)
        user()
        before = UserSyncLog.objects.count()
        answer = api.post("/api/sync/user", {"userId": "user_1"})
        assert answer.status_code == 200
        assert answer.json() == {
            "success": True,
            "message": "Sent to 2 sites: all in sync.",
            "userId": "user_1",
            "results": [
                {"site": "hrms", "status": "success", "errorMessage": None},
                {"site": "cms", "status": "success", "errorMessage": None},
            ],
        }
        assert UserSyncLog.objects.count() == before + 2
        assert set(UserSyncLog.objects.order_by("-id")[:2].values_list("cause", "actor")) == {("api", "payroll")}


def test_a_user_can_be_named_by_email_whatever_its_case(api: ApiCaller) -> None:
    user()
    assert api.post("/api/sync/user", {"userId": "USER_1@example.com"}).json()["userId"] == "user_1"
    assert api.get("/api/sync/user?userId=USER_1@example.com").json()["userId"] == "user_1"


def test_a_site_that_is_down_is_named_and_one_that_is_up_is_synced(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms:
        connect(hrms)
        connect(sample_site("cms", tmp_path), timeout=2)
        user()
        answer = api.post("/api/sync/user", {"userId": "user_1"}).json()
    assert answer["success"] is False
    assert "CMS" in answer["message"]
    by_site = {row["site"]: row for row in answer["results"]}
    assert by_site["hrms"]["status"] == "success"
    assert by_site["cms"]["status"] == "pending"
    assert by_site["cms"]["errorMessage"]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("user_id", ["nobody", "nobody@example.com", "x' or 1=1 --"])
def test_an_unknown_user_is_404_and_named(api: ApiCaller, method: str, user_id: str) -> None:
    if method == "GET":
        response = api.client.get("/api/sync/user", {"userId": user_id}, headers={"authorization": f"Bearer {api.token}"})
    else:
        response = api.post("/api/sync/user", {"userId": user_id})
    assert "There is no user" in error_of(response, 404)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "userId is missing"),
        ({"userId": 1}, "userId must be a string"),
        ({"userId": None}, "userId must be a string"),
        ({"userId": ""}, "userId must not be empty"),
        ({"userId": "a\x00"}, "userId has a NUL"),
        ({"userId": "x" * 300}, "userId is too long"),
        ({"user_id": "user_1"}, "'user_id' is not known here: the fields are userId"),
    ],
)
def test_a_wrong_body_is_refused_and_the_field_named(api: ApiCaller, body: dict[str, Any], said: str) -> None:
    assert said in error_of(api.post("/api/sync/user", body), 422)


def test_the_status_shows_every_active_site(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms:
        connect(hrms)
        connect(sample_site("cms", tmp_path), timeout=2)
        user()
    answer = api.get("/api/sync/user?userId=user_1").json()
    assert {key: answer[key] for key in ("userId", "email", "fullName", "status")} == {
        "userId": "user_1",
        "email": "user_1@example.com",
        "fullName": "Ada",
        "status": "pending",
    }
    hrms_row, cms_row = answer["sites"]
    assert hrms_row == {
        "site": "hrms",
        "displayName": "HRMS",
        "status": "success",
        "lastSyncedAt": hrms_row["lastSyncedAt"],
        "attempts": 1,
        "nextAttemptAt": None,
        "errorMessage": None,
    }
    assert hrms_row["lastSyncedAt"].endswith("Z")
    assert (cms_row["status"], cms_row["attempts"], cms_row["lastSyncedAt"]) == ("pending", 1, None)
    assert cms_row["nextAttemptAt"]
    assert cms_row["errorMessage"]


def test_a_user_has_a_status_also_where_no_site_is_active(api: ApiCaller) -> None:
    user()
    ConnectedSite.objects.create(name="hrms", display_name="HRMS", url="https://hrms.example.com", is_active=False)
    expected = {"userId": "user_1", "email": "user_1@example.com", "fullName": "Ada", "status": "success", "sites": []}
    assert api.get("/api/sync/user?userId=user_1").json() == expected
    synced = api.post("/api/sync/user", {"userId": "user_1"}).json()
    assert (synced["success"], synced["results"]) == (False, [])
    assert "no site is active" in synced["message"]


def test_a_removal_that_is_still_owed_has_a_status_after_the_user_is_gone(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms:
        connect(hrms, timeout=2)
        user()
    UserProfile.objects.all().delete()
    answer = api.get("/api/sync/user?userId=user_1").json()
    assert (answer["status"], [row["status"] for row in answer["sites"]]) == ("pending", ["pending"])
    assert api.post("/api/sync/user", {"userId": "user_1"}).status_code == 200


@pytest.mark.parametrize("query", ["", "?userId=", "?userId=%00", "?userId=a&sites=hrms", "?user_id=a"])
def test_a_wrong_status_query_is_refused(api: ApiCaller, query: str) -> None:
    assert "userId" in error_of(api.get(f"/api/sync/user{query}"), 422)


def test_syncing_everybody_is_a_run_that_can_be_followed(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms:
        for number in range(5):
            user(f"user_{number}")
        connect(hrms)
        response = api.post("/api/sync/all-users")
        assert response.status_code == 202
        started = response.json()
        assert started["success"] is True
        assert "5 deliveries" in started["message"]
        queued = api.get(f"/api/sync/runs/{started['runId']}").json()
        assert (queued["state"], queued["total"], queued["succeeded"], queued["finishedAt"]) == ("queued", 5, 0, None)
        operations.run_here(run_of(started))
        finished = api.get(f"/api/sync/runs/{started['runId']}").json()
        assert (finished["state"], finished["total"], finished["succeeded"], finished["failed"]) == ("finished", 5, 5, 0)
        assert (finished["percent"], finished["cause"], finished["actor"], finished["scope"]) == (100, "api", "payroll", "all")
        assert finished["sites"] == [
            {"site": "hrms", "displayName": "HRMS", "total": 5, "succeeded": 5, "failed": 0, "leftOwed": 0, "finished": True}
        ]
        assert len(hrms.users()) == 5


def test_a_second_run_over_the_same_joins_the_first(api: ApiCaller, tmp_path: Path) -> None:
    connect(sample_site("hrms", tmp_path))
    first = api.post("/api/sync/all-users").json()
    second = api.post("/api/sync/all-users", {}).json()
    assert second["runId"] == first["runId"]
    assert "under way already" in second["message"]


def test_a_run_may_be_of_some_sites_and_of_what_is_pending(api: ApiCaller, tmp_path: Path) -> None:
    with sample_site("hrms", tmp_path) as hrms:
        connect(hrms)
        user()
        connect(sample_site("cms", tmp_path))
        everything = api.post("/api/sync/all-users", {"sites": ["hrms", "hrms"]}).json()
        assert [part.site.name for part in run_of(everything).parts.all()] == ["hrms"]
        assert run_of(everything).parts.get().total == 1
        pending = api.post("/api/sync/all-users", {"sites": ["hrms"], "onlyPending": True}).json()
        assert pending["message"] == "Everything is in sync: there is nothing to send."
        assert run_of(pending).scope == "pending"


def test_without_a_site_nothing_is_sent_and_it_says_so(api: ApiCaller) -> None:
    answer = api.post("/api/sync/all-users").json()
    assert answer["success"] is False
    assert "no site is active" in answer["message"]
    assert api.get(f"/api/sync/runs/{answer['runId']}").json()["state"] == "finished"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"sites": ["nowhere"]}, 404, "There is no site 'nowhere'"),
        ({"sites": ["idle"]}, 404, "inactive: activate it first"),
        ({"sites": []}, 422, "sites is an empty list"),
        ({"sites": "hrms"}, 422, "sites must be a list"),
        ({"sites": [1]}, 422, "sites[0] must be a string"),
        ({"sites": ["\x00"]}, 422, "sites[0] has a NUL"),
        ({"onlyPending": "yes"}, 422, "onlyPending must be true or false"),
        ({"only_pending": True}, 422, "'only_pending' is not known here: the fields are sites, onlyPending"),
        ([], 422, "The body must be a JSON object"),
    ],
)
def test_a_wrong_run_is_refused(api: ApiCaller, body: Any, status: int, said: str) -> None:
    ConnectedSite.objects.create(name="idle", display_name="Idle", url="https://idle.example.com", is_active=False)
    assert said in error_of(api.post("/api/sync/all-users", body), status)
    assert not SyncRun.objects.exists()


def test_a_run_is_cancelled_once(api: ApiCaller, tmp_path: Path) -> None:
    connect(sample_site("hrms", tmp_path))
    run_id = api.post("/api/sync/all-users").json()["runId"]
    cancelled = api.post(f"/api/sync/runs/{run_id}/cancel").json()
    assert (cancelled["success"], cancelled["state"], cancelled["runId"]) == (True, "cancelled", run_id)
    assert "nothing was cancelled" in api.post(f"/api/sync/runs/{run_id}/cancel").json()["message"]


def test_a_finished_run_cannot_be_cancelled(api: ApiCaller) -> None:
    run_id = api.post("/api/sync/all-users").json()["runId"]
    answer = api.post(f"/api/sync/runs/{run_id}/cancel").json()
    assert (answer["success"], answer["state"]) == (False, "finished")


@pytest.mark.parametrize("run_id", ["1", "x", "00000000-0000-0000-0000-000000000000", "%00", "0" * 500])
def test_an_unknown_run_is_404(api: ApiCaller, run_id: str) -> None:
    assert "There is no run" in error_of(api.get(f"/api/sync/runs/{run_id}"), 404)
    assert "There is no run" in error_of(api.post(f"/api/sync/runs/{run_id}/cancel"), 404)
