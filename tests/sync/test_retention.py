"""The log keeps what is young enough, and nothing else."""

from io import StringIO

import pytest
from django.core.management import call_command

from sync import retention
from sync.models import UserSyncLog
from tests.scripted_site import ScriptedSite
from tests.sync.conftest import sql, user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def five(hrms: ScriptedSite) -> None:
    for number in range(5):
        user(f"u{number}@example.com")
    sql(
        "update user_sync_log set completed_at = now() - interval '400 days' - interval '1 minute'"
        " where id in (select id from user_sync_log order by id limit 3)"
    )


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("prune_sync_log", *arguments, stdout=out)
    return out.getvalue().strip()


def test_old_attempts_go_in_chunks_and_young_ones_stay(five: None) -> None:
    young = set(UserSyncLog.objects.order_by("-id").values_list("pk", flat=True)[:2])
    assert retention.prune(chunk=2) == 3
    assert set(UserSyncLog.objects.values_list("pk", flat=True)) == young


def test_the_command_counts_first_and_deletes_when_told(five: None) -> None:
    assert command("--dry-run") == "3 attempts are older than 400 days (SYNC_LOG_DAYS). Nothing was deleted."
    assert UserSyncLog.objects.count() == 5
    assert command() == "3 attempts older than 400 days (SYNC_LOG_DAYS) were deleted."
    assert UserSyncLog.objects.count() == 2


def test_the_limit_is_a_setting(five: None, settings: object) -> None:
    settings.SYNC_LOG_DAYS = 500  # type: ignore[attr-defined]
    assert retention.prune() == 0
