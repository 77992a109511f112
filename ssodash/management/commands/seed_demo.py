"""Sample users and the four sample sites, for a look around. Used by `make demo`."""

import os
import tempfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection, transaction

from sites.models import ConnectedSite, issue_signing_secret
from ssodash.env import integer
from ssodash.local import var_dir
from ssodash.up.options import SITES
from users.models import UserProfile

HOST = "http://127.0.0.1"
ABOUT = {
    "hrms": ("badge", "Human resources"),
    "cms": ("article", "Content"),
    "sales": ("storefront", "Sales"),
    "garage": ("garage", "Fleet"),
}
PEOPLE = (
    ("Ada Lovelace", "admin"),
    ("Alan Turing", "manager"),
    ("Grace Hopper", "manager"),
    ("Katherine Johnson", "lead"),
    ("Edsger Dijkstra", "lead"),
    ("Barbara Liskov", "staff"),
    ("Radia Perlman", "staff"),
    ("Tim Berners-Lee", "staff"),
    ("Margaret Hamilton", "staff"),
    ("Ken Thompson", "user"),
    ("Hedy Lamarr", "user"),
    ("Linus Torvalds", "user"),
)


class Command(BaseCommand):
    """Seeds an unused hub only: what somebody changed or deleted stays as it is.

    The secrets' files, which the sample sites read, are brought up to date each time; so are the ports, when DEMO_SITES_PORT changed.
    """

    help = "Make sample users and sites in a hub that was never used, and write the sample sites' secrets to their files."
    requires_system_checks: list[str] = []  # checks load the code of every page

    @transaction.atomic
    def handle(self, *_: Any, **options: Any) -> None:
        first = integer("DEMO_SITES_PORT", 4001, low=1, high=65_535 - len(SITES) + 1)
        addresses = {name: f"{HOST}:{first + step}" for step, (name, _title) in enumerate(SITES)}
        if _never_used():
            _add_sites(addresses)
            _add_people()
            self.stdout.write(f"Made {len(SITES)} sample sites and {len(PEOPLE)} sample users.")
        folder = var_dir() / "demo"
        folder.mkdir(exist_ok=True)
        for site in ConnectedSite.objects.filter(name__in=addresses):
            # A site that was pointed elsewhere is no sample site any more.
            if site.url.rpartition(":")[0] != HOST:
                continue
            if site.url != addresses[site.name]:
                site.url = addresses[site.name]
                site.save(update_fields=["url", "updated_at"])
            credential = site.credentials.signing().first()
            _keep(folder / f"{site.name}.secret", credential.secret if credential else issue_signing_secret(site))


def _never_used() -> bool:
    """Whether no site and no user ever was in these tables: their sequences remember what was deleted."""
    if ConnectedSite.objects.exists() or UserProfile.objects.exists():
        return False
    with connection.cursor() as cursor:
        for table in (ConnectedSite._meta.db_table, UserProfile._meta.db_table):
            cursor.execute("select pg_get_serial_sequence(%s, 'id')", [table])
            (sequence,) = cursor.fetchone()
            cursor.execute(f"select is_called from {sequence}")  # noqa: S608  (PostgreSQL's own, quoted answer)
            if cursor.fetchone()[0]:
                return False
    return True


def _add_sites(addresses: dict[str, str]) -> None:
    for name, title in SITES:
        icon, category = ABOUT[name]
        site = ConnectedSite.objects.create(name=name, display_name=title, url=addresses[name], icon=icon, category=category)
        issue_signing_secret(site)


def _add_people() -> None:
    # In bulk, which pushes nothing: the sample sites do not run yet. The worker finds them.
    UserProfile.objects.bulk_create(
        UserProfile(full_name=name, email=f"{name.lower().replace(' ', '.')}@example.com", role=role) for name, role in PEOPLE
    )


def _keep(path: Path, secret: str) -> None:
    if path.exists() and path.read_text().strip() == secret:
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    os.replace(temporary, path)
