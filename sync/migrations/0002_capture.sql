-- Every change to a user, by whatever means, leaves a new version on the user and one row in the outbox, in the writer's transaction.

create sequence user_sync_version_seq;

-- A new version whenever something that sites hear of changes. What the writer assigns to version is ignored, but for -1, which asks
-- for a new version although nothing else changed.
create function user_profiles_stamp() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        new.version := nextval('user_sync_version_seq');
        return new;
    end if;
    if new.user_id is distinct from old.user_id or new.id is distinct from old.id then
        raise exception 'user_id cannot change: it is the name that sites know this user by. Delete the user and insert another one instead.'
            using errcode = 'restrict_violation';
    end if;
    if (new.email, new.full_name, new.role, new.is_active) is distinct from (old.email, old.full_name, old.role, old.is_active)
        or new.version = -1
    then
        new.version := nextval('user_sync_version_seq');
        new.updated_at := clock_timestamp();
    else
        new.version := old.version;
        new.updated_at := old.updated_at;
    end if;
    return new;
end
$$;

create trigger user_profiles_stamp before insert or update on user_profiles
    for each row execute function user_profiles_stamp();

create function user_profiles_capture_insert() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    -- An insert can wait, after it drew its version, for the deletion of the same user_id to commit, whose version is then the higher
    -- one. If anybody drew a version meanwhile, draw again: the update trigger then writes the outbox rows.
    if (select last_value from user_sync_version_seq) > (select max(version) from added) then
        update user_profiles u set version = -1 from added a where u.id = a.id;
    else
        insert into user_sync_outbox (user_key, user_id, email, operation, version)
            select id, user_id, email, 'upsert', version from added;
    end if;
    if found then
        perform pg_notify('user_sync', 'outbox');
    end if;
    return null;
end
$$;

create trigger user_profiles_capture_insert after insert on user_profiles
    referencing new table as added for each statement execute function user_profiles_capture_insert();

create function user_profiles_capture_update() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into user_sync_outbox (user_key, user_id, email, operation, version)
        select n.id, n.user_id, n.email, 'upsert', n.version
        from after_change n join before_change o using (id)
        where n.version <> o.version;
    if found then
        perform pg_notify('user_sync', 'outbox');
    end if;
    return null;
end
$$;

create trigger user_profiles_capture_update after update on user_profiles
    referencing old table as before_change new table as after_change for each statement execute function user_profiles_capture_update();

create function user_profiles_capture_delete() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into user_sync_outbox (user_key, user_id, email, operation, version)
        select id, user_id, email, 'delete', nextval('user_sync_version_seq') from removed;
    if found then
        perform pg_notify('user_sync', 'outbox');
    end if;
    return null;
end
$$;

create trigger user_profiles_capture_delete after delete on user_profiles
    referencing old table as removed for each statement execute function user_profiles_capture_delete();

-- TRUNCATE fires no other trigger and leaves no transition table, so the rows are captured before they go.
create function user_profiles_capture_truncate() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into user_sync_outbox (user_key, user_id, email, operation, version)
        select id, user_id, email, 'delete', nextval('user_sync_version_seq') from user_profiles;
    if found then
        perform pg_notify('user_sync', 'outbox');
    end if;
    return null;
end
$$;

create trigger user_profiles_capture_truncate before truncate on user_profiles
    for each statement execute function user_profiles_capture_truncate();

-- A site that moved gets a new epoch: what it acknowledged before no longer counts.
create function connected_sites_stamp() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        new.epoch := 1;
    elsif (new.url, new.sync_path, new.connector) is distinct from (old.url, old.sync_path, old.connector) then
        new.epoch := old.epoch + 1;
    else
        new.epoch := old.epoch;
    end if;
    return new;
end
$$;

create trigger connected_sites_stamp before insert or update on connected_sites
    for each row execute function connected_sites_stamp();

-- A new, re-activated, re-scoped or moved site is marked for reconcile.
create function connected_sites_mark() returns trigger language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    why text;
begin
    if tg_op = 'INSERT' then
        why := 'new site';
    elsif new.epoch <> old.epoch then
        why := 'moved';
    elsif new.roles is distinct from old.roles then
        why := 'roles changed';
    elsif new.is_active is distinct from old.is_active then
        why := case when new.is_active then 'activated' else 'deactivated' end;
    else
        return null;
    end if;
    insert into user_sync_site_health as h (site_id, reconcile_reason) values (new.id, why)
        on conflict (site_id) do update set reconcile_wanted = h.reconcile_wanted + 1, reconcile_reason = why, reconcile_cursor = '';
    perform pg_notify('user_sync', 'site');
    return null;
end
$$;

create trigger connected_sites_mark after insert or update on connected_sites
    for each row execute function connected_sites_mark();

alter table user_sync_delivery add constraint user_sync_delivery_site
    foreign key (site_id) references connected_sites (id) on delete cascade;
alter table user_sync_site_health add constraint user_sync_site_health_site
    foreign key (site_id) references connected_sites (id) on delete cascade;
alter table user_sync_run_site add constraint user_sync_run_site_site
    foreign key (site_id) references connected_sites (id) on delete cascade;

-- Ten million narrow rows that are updated in place: leave room on each page so that an update need not move to another one.
alter table user_sync_delivery set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
-- A process that pushes what it saves says so by its application_name. It knows who made the change and waits for the sites, so the worker
-- does not snatch it away; a second later it is anybody's.
create function user_sync_outbox_not_before() returns timestamptz language sql volatile set search_path = pg_catalog
    return clock_timestamp() + case when current_setting('application_name', true) = 'ssodash-push' then interval '1 second' else interval '0' end;
alter table user_sync_outbox alter column not_before set default user_sync_outbox_not_before();

alter table user_sync_outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);
