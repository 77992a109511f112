"""`manage.py add_site`: connect a site and show its signing secret, once."""

import json
import sys
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction

from sites.models import ConnectedSite, issue_signing_secret

WRONG_USAGE = 2


class Command(BaseCommand):
    """What the admin's form does, with the same checks and messages."""

    help = "Connect a site and print its signing secret, which is shown this once. Exit status: 0 added, 2 wrong usage."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a short name for URLs, commands and SQL, for example hrms")
        parser.add_argument("--url", required=True, help="where the site is, for example https://hrms.example.com")
        parser.add_argument("--display-name", help="what people see; default: the name")
        parser.add_argument("--category", default="", help="for example Human resources")
        parser.add_argument("--icon", default="", help="the name of a Material Symbol, for example badge")
        parser.add_argument("--sync-path", metavar="PATH", help="default: /api/users/sync")
        parser.add_argument("--role", action="append", default=[], help="only users with this role; may be repeated; default: everybody")
        parser.add_argument("--batch-size", type=int, metavar="N", help="users per request; default: 1")
        parser.add_argument("--inactive", action="store_true", help="send nothing until it is activated in the admin")
        parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            site, secret = _add(options)
        except ValidationError as error:
            reason = _in_words(error)
            if not options["json"]:
                raise CommandError(reason, returncode=WRONG_USAGE) from None
            self.stdout.write(json.dumps({"error": reason}, ensure_ascii=False))
            sys.exit(WRONG_USAGE)
        if options["json"]:
            known = {"name": site.name, "displayName": site.display_name, "url": site.url, "syncPath": site.sync_path}
            self.stdout.write(json.dumps({**known, "isActive": site.is_active, "signingSecret": secret}, indent=2, ensure_ascii=False))
            return
        self.stdout.write(_how_to_connect(site, secret))


def _add(options: dict[str, Any]) -> tuple[ConnectedSite, str]:
    name = options["name"]
    site = ConnectedSite(
        name=name,
        display_name=options["display_name"] or name,
        url=options["url"],
        category=options["category"],
        roles=list(dict.fromkeys(options["role"])),
        is_active=not options["inactive"],
    )
    for field in ("icon", "sync_path", "batch_size"):
        if options[field] not in {None, ""}:
            setattr(site, field, options[field])
    errors: dict[str, Any] = {}
    try:
        site.full_clean()
    except ValidationError as error:
        errors = error.update_error_dict(errors)
    if unknown := [role for role in site.roles if role not in settings.SYNC_ROLES]:
        errors["roles"] = [f"{', '.join(unknown)}: no user can have it. Known roles (SYNC_ROLES): {', '.join(settings.SYNC_ROLES)}."]
    if ConnectedSite.objects.filter(name=name).exists():
        errors["name"] = [_taken(name)]
    if errors:
        raise ValidationError(errors)
    try:
        # Together, so that no worker finds a site that it cannot sign for.
        with transaction.atomic():
            site.save(force_insert=True)
            return site, issue_signing_secret(site)
    except IntegrityError:  # somebody was faster
        raise ValidationError({"name": [_taken(name)]}) from None


def _taken(name: str) -> str:
    return f"A site named {name!r} exists already. Choose another name, or change that site in the admin."


def _in_words(error: ValidationError) -> str:
    """One line per option; the fields of the site have its options' names."""
    lines = []
    for field, messages in error.message_dict.items():
        option = {"name": "NAME", "roles": "--role"}.get(field, f"--{field.replace('_', '-')}")
        lines.append(f"{option}: {' '.join(messages)}")
    return "\n".join(["The site was not added.", *lines])


def _how_to_connect(site: ConnectedSite, secret: str) -> str:
    starts = (
        "From now on the worker sends it the users in its scope."
        if site.is_active
        else "It receives nothing until it is activated in the admin."
    )
    return f"""\
Added {site.name} ({site.display_name}). {starts}

Signing secret, shown only this once:
    {secret}

At the site:
  1. Keep the secret in its settings, for example as SYNC_SECRET.
  2. Answer POST {site.url}{site.sync_path} with {{"success": true}}: add or update the user in the JSON body, found by its id.
  3. Answer POST {site.url}{site.sync_path}/delete the same way: remove the user, or take their access away.
  4. Check each request's signature (https://www.standardwebhooks.com). The folder examples/ has receivers to copy from."""
