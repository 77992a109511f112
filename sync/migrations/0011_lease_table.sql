-- As before, but what is in progress is what is in a lease.
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
        when d.status = 'pending' and d.id in (select unnest(l.delivery_ids) from user_sync_lease l) then 'in_progress'
        when p.belongs and (d.wanted_action <> 'upsert' or d.wanted_version < p.version) then 'pending'
        when not p.belongs and d.wanted_action <> 'delete' then 'pending'
        when d.status = 'success' and d.acked_epoch is distinct from p.epoch then 'pending'
        else d.status
    end as sync_status,
    d.last_synced_at,
    nullif(d.last_error, '') as error_message,
    coalesce(d.tries, 0) as attempts,
    case when d.status <> 'pending' or h.paused_at is not null or d.id in (select unnest(l.delivery_ids) from user_sync_lease l) then null
        when h.quarantined_at is not null then greatest(h.next_probe_at, h.throttled_until)
        else greatest(d.next_attempt_at, h.throttled_until) end as next_attempt_at,
    p.site_id, p.belongs as in_scope, coalesce(d.wanted_action, case when p.belongs then 'upsert' else 'delete' end) as wanted_action
from pair p
left join user_sync_delivery d on d.id = p.delivery_id
left join user_sync_site_health h on h.site_id = p.site_id;

-- As before, but what is in progress is what is in a lease.
create or replace function user_sync_counts(only_site bigint default null) returns table (
    site_id bigint, in_sync bigint, pending bigint, in_progress bigint, failed bigint, next_attempt_at timestamptz
) language plpgsql stable set search_path = pg_catalog, public, pg_temp as $$
declare
    compared bigint[] := coalesce((
        select array_agg(s.id) from connected_sites s join user_sync_site_health h on h.site_id = s.id
        where s.is_active and (only_site is null or s.id = only_site)
            and h.reconcile_wanted <> h.reconcile_done and h.reconcile_reason not in ('daily', 'asked for')), '{}');
begin
    return query
    with site as (
        select s.id, s.roles, h.throttled_until, h.paused_at,
            case when h.quarantined_at is not null then coalesce(h.next_probe_at, now()) end as probe_at
        from connected_sites s left join user_sync_site_health h on h.site_id = s.id
        where s.is_active and (only_site is null or s.id = only_site) and s.id <> all (compared)
    ), changed as materialized (
        select o.user_id, min(o.id) as first, u.id is not null as alive, u.is_active, u.role
        from user_sync_outbox o left join user_profiles u on u.user_id = o.user_id group by o.user_id, u.id, u.is_active, u.role
    ), leased as materialized (
        select l.site_id, i.id from user_sync_lease l cross join unnest(l.delivery_ids) as i (id)
    ), waiting as materialized (
        -- By user_sync_delivery_due and user_sync_delivery_failed alone, as long as nothing waits to be fanned out.
        select d.site_id, 'pending' as state, d.wanted_action = 'delete' as removal, count(*) as n, min(d.next_attempt_at) as next_at
        from user_sync_delivery d
        where d.status = 'pending' and (only_site is null or d.site_id = only_site) and d.id not in (select l.id from leased l)
            and not exists (select from changed c where c.user_id = d.user_id)
        group by d.site_id, d.wanted_action = 'delete'
        union all
        select d.site_id, 'failed', d.wanted_action = 'delete', count(*), null
        from user_sync_delivery d
        where d.status = 'failed' and (only_site is null or d.site_id = only_site)
            and not exists (select from changed c where c.user_id = d.user_id)
        group by d.site_id, d.wanted_action = 'delete'
    ), under_way as materialized (
        select d.site_id, not coalesce(user_sync_in_scope(u.is_active, u.role, s.roles), false) as removal, count(*) as n,
            count(c.user_id) as of_changed
        from leased l join site s on s.id = l.site_id join user_sync_delivery d on d.id = l.id
        left join user_profiles u on u.user_id = d.user_id
        left join changed c on c.user_id = d.user_id
        where d.status = 'pending'
        group by 1, 2
    ), users_of as (
        select s.id, sum(g.n) as n, sum(g.changed) as changed
        from (
            select u.is_active, u.role, count(*) as n, 0 as changed from user_profiles u group by u.is_active, u.role
            union all
            select c.is_active, c.role, 0, count(*) from changed c where c.alive group by c.is_active, c.role
        ) g join site s on user_sync_in_scope(g.is_active, g.role, s.roles)
        group by s.id
    ), leaving as (
        select d.site_id, count(*) as n
        from (select * from changed order by first limit 1000) c
        join user_sync_delivery d on d.user_id = c.user_id
        join site s on s.id = d.site_id
        where d.attempted_version is not null and d.id not in (select l.id from leased l)
            and not (c.alive and user_sync_in_scope(c.is_active, c.role, s.roles))
            and not (d.wanted_action = 'delete' and d.status = 'success')
        group by d.site_id
    ), summed as (
        select s.id, s.probe_at, s.throttled_until, s.paused_at,
            coalesce((select u.n from users_of u where u.id = s.id), 0) as belong,
            coalesce((select u.changed from users_of u where u.id = s.id), 0)
                - coalesce((select sum(w.of_changed) from under_way w where w.site_id = s.id and not w.removal), 0) as unwritten,
            coalesce((select sum(w.n) from waiting w where w.site_id = s.id and w.state = 'pending'), 0) as waits,
            coalesce((select sum(w.n) from waiting w where w.site_id = s.id and w.state = 'failed'), 0) as fails,
            coalesce((select sum(w.n) from waiting w where w.site_id = s.id and not w.removal), 0) as held_up,
            coalesce((select sum(w.n) from under_way w where w.site_id = s.id), 0) as flies,
            coalesce((select sum(w.n) from under_way w where w.site_id = s.id and not w.removal), 0) as flies_in_scope,
            coalesce((select l.n from leaving l where l.site_id = s.id), 0) as leaves,
            (select min(w.next_at) from waiting w where w.site_id = s.id) as next_at
        from site s
    )
    select s.id, greatest(0, s.belong - s.unwritten - s.held_up - s.flies_in_scope)::bigint, (s.waits + s.unwritten + s.leaves)::bigint,
        s.flies::bigint, s.fails::bigint,
        case when s.waits > 0 and s.paused_at is null then greatest(coalesce(s.probe_at, s.next_at), s.throttled_until) end
    from summed s;

    if compared <> '{}' then
        return query
        select v.site_id, count(*) filter (where v.sync_status = 'success' and v.in_scope), count(*) filter (where v.sync_status = 'pending'),
            count(*) filter (where v.sync_status = 'in_progress'), count(*) filter (where v.sync_status = 'failed'),
            min(v.next_attempt_at) filter (where v.sync_status = 'pending')
        from user_sync_status v where v.site_id = any (compared) group by v.site_id;
    end if;
end
$$;
