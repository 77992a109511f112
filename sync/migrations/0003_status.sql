-- What people read and call in a SQL console.

-- Whether a user belongs at a site: the one definition, used by the view, the functions and the hub.
create function user_sync_in_scope(is_active boolean, role text, roles text[]) returns boolean language sql immutable parallel safe
    return coalesce(is_active, false) and (coalesce(cardinality(roles), 0) = 0 or role = any (roles));

-- Where every user stands at every active site, true before the fan-out: versions are compared, not remembered. A removal that is owed
-- stays visible after the user's row is gone, at inactive sites too.
create view user_sync_status with (security_invoker = true) as
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
    case when d.status <> 'pending' then null
        when h.quarantined_at is not null then h.next_probe_at
        else greatest(d.next_attempt_at, h.throttled_until) end as next_attempt_at,
    p.site_id, p.belongs as in_scope, coalesce(d.wanted_action, case when p.belongs then 'upsert' else 'delete' end) as wanted_action
from pair p
left join user_sync_delivery d on d.id = p.delivery_id
left join user_sync_site_health h on h.site_id = p.site_id;

-- Sends one user again to every active site, although nothing changed; the worker is woken. Answers with the number of sites.
create function sync_user(wanted_user_id text) returns integer language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    person user_profiles%rowtype;
    gone boolean;
    touched integer;
begin
    select * into person from user_profiles where user_id = wanted_user_id;
    gone := not found;
    if gone and not exists (select from user_sync_delivery where user_id = wanted_user_id) then
        raise exception 'There is no user %: give the user_id of a row in user_profiles.', quote_literal(wanted_user_id)
            using errcode = 'no_data_found';
    end if;
    insert into user_sync_delivery as d (user_id, site_id, wanted_action, wanted_version, cause, actor)
        select wanted_user_id, s.id, 'upsert', person.version, 'sql', session_user
        from connected_sites s
        where not gone and s.is_active and user_sync_in_scope(person.is_active, person.role, s.roles)
        on conflict (site_id, user_id) do nothing;
    update user_sync_delivery d
        set wanted_generation = d.wanted_generation + 1, tries = 0, next_attempt_at = now(), cause = 'sql', actor = session_user,
            run_id = null, status = case when d.status = 'in_progress' then d.status else 'pending' end
        from connected_sites s
        where d.user_id = wanted_user_id and s.id = d.site_id and s.is_active
            and (d.wanted_action = 'upsert' or d.attempted_version is not null);
    get diagnostics touched = row_count;
    perform pg_notify('user_sync', 'due');
    return touched;
end
$$;

-- Starts a run over everyone at all active sites, or joins one that is not over yet. Answers with its public id.
create function sync_all_users() returns uuid language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    run uuid;
begin
    perform pg_advisory_xact_lock(hashtext('user_sync_run'));
    select r.public_id into run from user_sync_run r
        where r.state in ('queued', 'running') and r.scope = 'all' and r.user_ids is null
            and (not exists (select from user_sync_run_site p where p.run_id = r.id)
                or not exists (select from connected_sites s where s.is_active
                    and not exists (select from user_sync_run_site p where p.run_id = r.id and p.site_id = s.id)))
        order by r.id desc limit 1;
    if run is null then
        insert into user_sync_run (cause, actor) values ('sql', session_user) returning public_id into run;
    end if;
    perform pg_notify('user_sync', 'run');
    return run;
end
$$;

-- How many users are in which state at each active site.
create function user_sync_summary() returns table (
    site_name text, in_sync bigint, pending bigint, in_progress bigint, failed bigint, last_synced_at timestamptz
) language sql stable set search_path = pg_catalog, public, pg_temp as $$
    select s.name, count(*) filter (where v.sync_status = 'success'), count(*) filter (where v.sync_status = 'pending'),
        count(*) filter (where v.sync_status = 'in_progress'), count(*) filter (where v.sync_status = 'failed'), max(v.last_synced_at)
    from connected_sites s left join user_sync_status v on v.site_id = s.id
    where s.is_active
    group by s.id, s.name order by s.id
$$;

revoke execute on function sync_user(text), sync_all_users(), user_sync_summary() from public;
