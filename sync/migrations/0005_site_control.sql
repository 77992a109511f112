-- As before, and a paused site's deliveries have no next attempt: they wait until somebody resumes it.
create or replace view user_sync_status with (security_invoker = true) as
with pair as (
    select u.user_id, u.email, u.full_name, s.id as site_id, s.name as site_name, s.display_name as site_display_name, s.epoch,
        u.version, user_sync_in_scope(u.is_active, u.role, s.roles) as belongs, d.id as delivery_id
    from user_profiles u
    cross join connected_sites s
    left join user_sync_delivery d on d.site_id = s.id and d.user_id = u.user_id
    where s.is_active
    union all
    select d.user_id, coalesce(d.attempted_email, ''), '', s.id, s.name, s.display_name, s.epoch, null, false, d.id
    from user_sync_delivery d
    join connected_sites s on s.id = d.site_id
    where d.attempted_version is not null
        and not exists (select from user_profiles u where u.user_id = d.user_id)
)
select p.user_id, p.email, p.full_name, p.site_name, p.site_display_name,
    case
        when d.id is null then case when p.belongs then 'pending' else 'success' end
        when d.attempted_version is null and not p.belongs then 'success'
        when d.status = 'in_progress' then 'in_progress'
        when p.belongs and (d.wanted_action <> 'upsert' or d.wanted_version < p.version) then 'pending'
        when not p.belongs and d.wanted_action <> 'delete' then 'pending'
        when d.status = 'success' and d.acked_epoch is distinct from p.epoch then 'pending'
        else d.status
    end as sync_status,
    d.last_synced_at,
    nullif(d.last_error, '') as error_message,
    coalesce(d.tries, 0) as attempts,
    case when d.status <> 'pending' or h.paused_at is not null then null
        when h.quarantined_at is not null then greatest(h.next_probe_at, h.throttled_until)
        else greatest(d.next_attempt_at, h.throttled_until) end as next_attempt_at,
    p.site_id, p.belongs as in_scope, coalesce(d.wanted_action, case when p.belongs then 'upsert' else 'delete' end) as wanted_action
from pair p
left join user_sync_delivery d on d.id = p.delivery_id
left join user_sync_site_health h on h.site_id = p.site_id;
