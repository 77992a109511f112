"""How the view `user_sync_status` is asked: the same truth for one user, for a list, and for pairs."""

_READ = """
select v.user_id, v.email, v.full_name, v.site_name, v.site_display_name, v.sync_status, v.last_synced_at, v.attempts, v.next_attempt_at,
    v.error_message, v.in_scope, v.wanted_action, v.site_id, s.is_active,
    h.paused_at, h.paused_by, h.pause_reason, h.quarantined_at, h.quarantine_reason, h.next_probe_at, h.throttled_until, h.last_error"""
OF_HEALTH, BEHIND_HEALTH = 14, 22
"""How many columns come before those of the site's health, and how many with them."""
_OF_SITES = """
join connected_sites s on s.id = v.site_id
left join user_sync_site_health h on h.site_id = v.site_id
"""

# Each user is asked for apart (`offset 0` keeps it so). Asked for several at once, the view compares everybody who is in the directory
# with the deliveries of these few to know who is gone: that is by far the most of what it costs.
OF_USERS = f"""{_READ}
from unnest(%s::text[]) asked (user_id)
cross join lateral (select * from user_sync_status w where w.user_id = asked.user_id offset 0) v
{_OF_SITES}
order by v.user_id, v.site_id
"""  # noqa: S608
"""Everywhere: users."""

OF_PAIRS = f"""{_READ}
from unnest(%s::text[], %s::bigint[]) asked (user_id, site_id)
cross join lateral (select * from user_sync_status w where w.user_id = asked.user_id and w.site_id = asked.site_id offset 0) v
{_OF_SITES}
order by v.user_id, v.site_id
"""  # noqa: S608
"""At one site each: users, sites."""

IN_A_LIST = f"""{_READ}, v.look, v.alike
from unnest(%s::text[]) asked (user_id)
cross join lateral (
    select l.*, count(*) over (partition by l.look) as alike, row_number() over (partition by l.look order by l.site_id) as nth
    from (
        -- As `SiteStatus.look` has it.
        select w.*, (case when w.sync_status <> 'success' then w.sync_status when w.in_scope and w.error_message is null then 'success'
            when w.in_scope then 'warning' when w.last_synced_at is null then 'none' else 'removed' end) collate "C" as look
        from user_sync_status w where w.user_id = asked.user_id offset 0
    ) l
) v
{_OF_SITES}
where v.nth <= case when v.look in ('success', 'none') then 1 else %s end or v.site_id = any (%s)
order by v.user_id, v.site_id
"""  # noqa: S608
"""The first sites of each look, how many there are of it, and some sites in any case: users, how many are the first, sites."""
