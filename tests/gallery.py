"""A hub in which every page has everything to show: users in every state at sites in every state, attempts, runs, events, a token."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection

from sites.models import ConnectedSite, issue_signing_secret
from ssodash.models import ApiToken
from sync.models import Delivery, SyncRun, UserSyncLog
from tests.sync.conftest import catch_up, put_under_way, sql
from users.models import UserProfile

LOGIN, PASSWORD = "root", "correct horse battery staple"
STATES = (
    # How every eighth pair stands; the rest are in sync.
    (0, "failed", "HTTP 422: no licence left for this user"),
    (1, "pending", "Connection refused"),
    (2, "pending", ""),
)
EVERY_EIGHTH = """(
    select id from (select id, row_number() over (order by user_id, site_id) n from user_sync_delivery) p where mod(n, 8) = {}
)"""
"""Of the pairs, in the order in which the pages show them: their ids go on from those of other tests."""
UNDER_WAY = f"d.id in {EVERY_EIGHTH.format(2)}"
"""Of these, what a request is under way for."""

SETTLE = """
update user_sync_delivery d set status = 'success', attempted_action = wanted_action, attempted_version = wanted_version,
    attempted_generation = wanted_generation, attempted_epoch = s.epoch, attempted_email = 'x@example.com', acked_action = wanted_action,
    acked_version = wanted_version, acked_generation = wanted_generation, acked_epoch = s.epoch, acked_digest = 'x', tries = 1,
    next_attempt_at = null, last_synced_at = now() - interval '3 hours'
from connected_sites s where s.id = d.site_id
"""
STATE = """
update user_sync_delivery set status = %(status)s, last_error = %(error)s, acked_version = null, acked_action = null, tries = 3,
    next_attempt_at = case when %(status)s = 'pending' then now() + interval '5 minutes' end
where id in {every_eighth}
"""
LOG = """
insert into user_sync_log (attempt_id, user_id, email, site_id, site_name, type, version, attributes, status, outcome, http_code,
    duration_ms, error, response, message_id, cause, actor, started_at, completed_at)
select gen_random_uuid(), u.user_id, u.email, s.id, s.name, 'upsert', u.version, '{"email": "x@example.com", "role": "user"}',
    case n %% 3 when 0 then 'failed' when 1 then 'pending' else 'success' end,
    case n %% 3 when 0 then 'permanent' when 1 then 'transient' else 'delivered' end,
    case n %% 3 when 0 then 422 when 1 then 500 else 200 end, 37 * n, case when n %% 3 < 2 then 'the site said no' else '' end,
    '{"success": false, "error": "the site said no"}', 'msg_' || u.user_id || '_' || s.id || '_' || n, 'save', 'root',
    now() - n * interval '47 minutes', now() - n * interval '47 minutes' + interval '1 second'
from user_profiles u cross join (select * from connected_sites order by id limit 8) s cross join generate_series(1, 3) n
order by u.id, n, s.id limit %s
"""
EVENTS = """
insert into user_sync_site_event (site_id, site_name, kind, reason, actor, at)
select s.id, s.name, k.kind, 'HTTP 500: the site failed', k.actor, now() - interval '1 day'
from connected_sites s cross join (values ('quarantined', ''), ('paused', 'root'), ('resumed', 'root')) k (kind, actor)
"""


@dataclass(frozen=True)
class Gallery:
    """Keys for addresses of pages."""

    user: int
    inactive_user: int
    site: int
    quarantined_site: int
    paused_site: int
    delivery: int
    attempt: int
    failed_attempt: int
    run: int
    running_run: int
    token: int
    login: int
    group: int

    @classmethod
    def fill(cls, users: int = 10, sites: int = 4, attempts: int = 16) -> "Gallery":
        """So many users, at least 10, at so many sites, at least 4, with so many attempts at the most."""
        login = get_user_model().objects.create_superuser(LOGIN, password=PASSWORD)
        token, _ = ApiToken.issue("intranet", login)
        group = Group.objects.create(name="Helpdesk")
        for number in range(sites):
            row = ConnectedSite.objects.create(
                name=f"site-{number}",
                display_name=f"Site {number}",
                url=f"http://127.0.0.1:9/{number}",
                category="HR",
                is_active=number != 3,
            )
            issue_signing_secret(row)
        rows = (
            UserProfile(user_id=f"user_{n:05}", email=f"u{n}@example.com", full_name=f"Person {n}", is_active=n != 1) for n in range(users)
        )
        UserProfile.objects.bulk_create(rows)
        catch_up()
        sql(SETTLE)
        with connection.cursor() as cursor:
            for remainder, status, error in STATES:
                cursor.execute(STATE.format(every_eighth=EVERY_EIGHTH.format(remainder)), {"status": status, "error": error})
        put_under_way(UNDER_WAY)
        sql(LOG, attempts)
        sql(EVENTS)
        by_name = dict(ConnectedSite.objects.values_list("name", "pk"))
        sql(
            "update user_sync_site_health set last_success_at = now() - interval '5 minutes', quarantine_reason = 'HTTP 500',"
            " quarantined_at = case when site_id = %s then now() - interval '5 minutes' end,"
            " next_probe_at = case when site_id = %s then now() + interval '50 seconds' end,"
            " paused_at = case when site_id = %s then now() end, paused_by = 'root', pause_reason = 'new server'",
            by_name["site-1"], by_name["site-1"], by_name["site-2"],
        )  # fmt: skip
        runs = [_run(state, by_name["site-0"]) for state in ("finished", "running")]
        UserProfile.objects.filter(user_id="user_00002").delete()  # its removals are owed, the log remains
        catch_up()
        return cls(
            user=UserProfile.objects.get(user_id="user_00003").pk,
            inactive_user=UserProfile.objects.get(user_id="user_00001").pk,
            site=by_name["site-0"],
            quarantined_site=by_name["site-1"],
            paused_site=by_name["site-2"],
            delivery=Delivery.objects.filter(status="failed").earliest("pk").pk,
            attempt=UserSyncLog.objects.filter(status="success").latest("pk").pk,
            failed_attempt=UserSyncLog.objects.filter(status="failed").latest("pk").pk,
            run=runs[0].pk,
            running_run=runs[1].pk,
            token=token.pk,
            login=login.pk,
            group=group.pk,
        )


def _run(state: str, site: int) -> SyncRun:
    when = {"started_at": datetime.now().astimezone(), "finished_at": datetime.now().astimezone() if state == "finished" else None}
    run = SyncRun.objects.create(cause="sync_all", actor="root", state=state, **when)
    run.parts.create(site_id=site, total=12, fed=12, succeeded=7, failed=2, finished=state == "finished")
    return run
