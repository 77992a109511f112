"""The words of a status: how long ago, what is done and what is not."""

from datetime import UTC, datetime, timedelta

import pytest

from sync import status
from sync.status import SiteStatus, UserStatus

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=44), "just now"),
        (timedelta(seconds=50), "1 min ago"),
        (timedelta(minutes=89), "89 min ago"),
        (timedelta(minutes=100), "2 h ago"),
        (timedelta(hours=35), "35 h ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(seconds=-5), "just now"),
    ],
)
def test_how_long_ago(passed: timedelta, words: str) -> None:
    assert status.ago(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(seconds=-60), "now"),
        (timedelta(seconds=5), "in a few seconds"),
        (timedelta(seconds=30), "in less than a minute"),
        (timedelta(minutes=5), "in 5 min"),
        (timedelta(hours=10), "in 10 h"),
    ],
)
def test_when_next(left: timedelta, words: str) -> None:
    assert status.until(NOW + left, NOW) == words


def test_never_and_not_at_all() -> None:
    assert (status.ago(None), status.until(None)) == ("never", "")


def at(name: str, state: str = "success", **fields: object) -> SiteStatus:
    known = {
        "last_synced_at": NOW, "attempts": 1, "next_attempt_at": None, "error_message": None,
        "in_scope": True, "wanted_action": "upsert", "site_id": 1,
    }  # fmt: skip
    return SiteStatus(name.lower(), name, state, **{**known, **fields})  # type: ignore[arg-type]


def of(*sites: SiteStatus) -> UserStatus:
    return UserStatus("user_1", "ada@example.com", "Ada", status.worst(site.status for site in sites), list(sites))


REMOVED = {"in_scope": False, "wanted_action": "delete"}
NEVER = {"in_scope": False, "wanted_action": "delete", "last_synced_at": None}


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ([at("HRMS"), at("CMS")], "In sync at 2 of 2 sites."),
        ([at("HRMS"), at("CMS", **REMOVED)], "In sync at 1 of 2 sites; removed from CMS."),
        ([at("HRMS", **REMOVED), at("CMS", **NEVER)], "Removed from 1 of 1 site."),
        ([at("CMS", **NEVER)], "This user belongs to no active site (inactive, or in no site's roles), so there is nothing to send."),
        ([at("CMS", "pending", attempts=0)], "Pending at CMS."),
        ([at("CMS", "failed", error_message="HTTP 422: no.")], "Failed at CMS: HTTP 422: no; not tried again by itself."),
        ([at("HRMS"), at("CMS", "failed", **REMOVED)], "In sync at 1 of 2 sites. Removal failed at CMS; not tried again by itself."),
        ([at("CMS", error_message="The old account may remain")], "In sync at 1 of 1 site. CMS: The old account may remain."),
        ([], "No site is active, so nobody is sent anywhere. Connect a site first."),
    ],
)
def test_where_a_user_stands_in_a_sentence(sites: list[SiteStatus], words: str) -> None:
    assert status.sentence(of(*sites)) == words


@pytest.mark.parametrize(
    ("sites", "words"),
    [
        ([at("HRMS"), at("CMS", "pending")], "Pending at CMS"),
        ([at("HRMS", "failed"), at("CMS", "failed")], "Failed at 2 sites"),
        ([at("HRMS", **REMOVED), at("CMS", "pending", **REMOVED)], "Removal pending at CMS"),
        ([at("HRMS"), at("CMS", **REMOVED)], "In sync"),
        ([at("HRMS", **REMOVED), at("CMS", **NEVER)], "Removed"),
        ([at("CMS", **NEVER)], "No site needed"),
    ],
)
def test_where_a_user_stands_in_a_list(sites: list[SiteStatus], words: str) -> None:
    assert status.in_short(of(*sites))[2] == words
