"""Users and sites in every state, mixed by a seed: fanned out or not, acknowledged or not, at sites that changed or did not."""

import random

from sync import reconcile
from sync.models import UNDER_WAY, Delivery, SiteHealth
from tests.sync.conftest import Connect, catch_up, put_under_way, sql
from users.models import UserProfile

USERS = 120
ROLES = ["user", "user", "staff", "manager"]

SETTLED = """
update user_sync_delivery d set status = 'success', attempted_action = wanted_action, attempted_version = wanted_version,
    attempted_generation = wanted_generation, attempted_epoch = s.epoch, attempted_email = 'x@example.com', acked_action = wanted_action,
    acked_version = wanted_version, acked_generation = wanted_generation, acked_epoch = s.epoch, next_attempt_at = null
from connected_sites s where s.id = d.site_id and d.user_id = any (%s)
"""
TRIED = """
update user_sync_delivery d set status = %s, attempted_action = wanted_action, attempted_version = wanted_version,
    attempted_generation = wanted_generation, attempted_epoch = s.epoch, attempted_email = 'x@example.com',
    next_attempt_at = case when %s = 'pending' then now() + interval '5 minutes' end
from connected_sites s where s.id = d.site_id and d.user_id = any (%s) and d.status <> 'success'
    and d.id not in (select unnest(delivery_ids) from user_sync_lease)
"""


class Population:
    """`Population(connect, seed)`; after it, `unreconciled()` has sites change under it."""

    def __init__(self, connect: Connect, seed: int) -> None:
        self._random = random.Random(seed)
        connect("all", timeout=3600)
        connect("managers", roles=["manager", "staff"])
        connect("off", is_active=False)
        connect("late")
        UserProfile.objects.bulk_create(
            UserProfile(user_id=f"user_{n:04}", email=f"u{n}@example.com", full_name="U", role=self._random.choice(ROLES))
            for n in range(USERS)
        )
        catch_up()
        sql(SETTLED, self._some(0.7))
        sql(TRIED, "failed", "failed", self._some(0.3))
        sql(TRIED, "pending", "pending", self._some(0.3))
        self._change_users()
        catch_up()
        sql(SETTLED, self._some(0.3))
        put_under_way("d.user_id = any (%s)", self._some(0.1))
        sql(TRIED, "failed", "failed", self._some(0.2, f"status = 'pending' and id not in {UNDER_WAY}"))
        # From here on nobody fans out.
        self._change_users()
        UserProfile.objects.create(user_id="user_new", email="new@example.com", full_name="New", role="manager")

    def _some(self, share: float, where: str = "true") -> list[str]:
        known = sorted(set(Delivery.objects.extra(where=[where]).values_list("user_id", flat=True)))  # noqa: S610
        return [user_id for user_id in known if self._random.random() < share]

    def _change_users(self) -> None:
        sql("update user_profiles set full_name = full_name || '!' where user_id = any (%s)", self._some(0.1))
        sql("update user_profiles set role = 'manager' where user_id = any (%s)", self._some(0.08))
        sql("update user_profiles set role = 'user' where user_id = any (%s)", self._some(0.08))
        sql("update user_profiles set is_active = not is_active where user_id = any (%s)", self._some(0.12))
        sql("delete from user_profiles where user_id = any (%s)", self._some(0.08))

    def unreconciled(self, connect: Connect) -> None:
        """A site is new, one moved, one has other roles, one is activated, and one is walked half-way."""
        connect("new")
        sql("update connected_sites set roles = '{user}' where name = 'managers'")
        sql("update connected_sites set url = 'http://127.0.0.1:10' where name = 'all'")
        sql("update connected_sites set is_active = true where name = 'off'")
        reconcile.step(limit=40)

    def reconciled_daily(self) -> None:
        """The daily walk has begun."""
        reconcile.request_all("daily")
        reconcile.step(limit=40)
        assert SiteHealth.objects.exclude(reconcile_cursor="").exists()
