"""A site of a dozen lines on Node, which ignores everything but email, name and role, is synced correctly, and its limits are shown."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sites.models import ConnectedSite
from sync.models import Delivery
from tests.receivers import NodeMinimalProcess
from tests.sync.conftest import Connect, attempts, shown, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def node(connect: Connect, tmp_path: Path) -> Iterator[NodeMinimalProcess]:
    connect("hrms")
    with NodeMinimalProcess(tmp_path) as site:
        ConnectedSite.objects.update(url=site.url)
        yield site


def people(site: NodeMinimalProcess) -> list[tuple[str, str, str]]:
    return sorted((person["email"], person["full_name"], person["role"]) for person in site.users())


def test_users_are_added_and_changed(node: NodeMinimalProcess) -> None:
    person = user()
    user("bob@example.com", full_name="Bób “B” O'Neil", role="lead")
    person.role = "manager"
    person.save()
    assert people(node) == [("ann@example.com", "Ann", "manager"), ("bob@example.com", "Bób “B” O'Neil", "lead")]
    assert shown(person.user_id).label == "In sync"


def test_a_removal_changes_nothing_there_and_is_shown_as_access_that_may_remain(node: NodeMinimalProcess) -> None:
    person = user()
    person.is_active = False
    person.save()
    assert people(node) == [("ann@example.com", "Ann", "user")]
    row = shown(person.user_id)
    assert (row.status, row.label, row.error_message) == (
        "failed", "Removal failed", "HTTP 404: this site cannot remove users; access may remain",
    )  # fmt: skip
    assert attempts()[-1].type == "delete"
    person.delete()
    assert shown(person.user_id).status == "failed"
    assert Delivery.objects.count() == 1


def test_a_changed_email_is_warned_about_because_the_site_never_confirmed_ids(node: NodeMinimalProcess) -> None:
    person = user()
    person.email = "ann.new@example.com"
    person.save()
    assert [email for email, _, _ in people(node)] == ["ann.new@example.com", "ann@example.com"]
    row = shown(person.user_id)
    assert row.status == "success"
    assert row.error_message == (
        "The email changed from ann@example.com; this site never confirmed ids, so the old account may remain there"
    )
