"""Sync in the admin: what users and sites are doing, the log, the runs."""

from sync.admin import deliveries, log, runs, sites, users  # noqa: F401  (importing them registers them)
