"""Make the first staff login, for a hub that nobody can sign in to yet."""

import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser

USERNAME = "admin"


class Command(BaseCommand):
    """The password's file exists exactly as long as its password is valid, so whoever reads it can rely on it."""

    help = "Create the staff login 'admin' when there is no staff login, and keep its generated password in a file only you can read."
    requires_system_checks: list[str] = []  # checks load the code of every page

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("password_file", type=Path)

    def handle(self, *_: Any, password_file: Path, **options: Any) -> None:
        logins = get_user_model().objects
        admin = logins.filter(username=USERNAME).first()
        kept = password_file.read_text().strip() if password_file.exists() else ""
        if admin is None and not logins.filter(is_staff=True).exists():
            # The file first: a password that nobody can read any more would lock everybody out.
            kept = kept or _keep(password_file, secrets.token_urlsafe(12))
            logins.create_superuser(USERNAME, password=kept)
            self.stdout.write(f"Made the staff login {USERNAME!r}; its password is in {password_file}.")
            return
        if kept and not (admin and admin.is_active and admin.is_staff and admin.check_password(kept)):
            password_file.unlink()
            self.stdout.write(f"The password in {password_file} was no longer valid; the file is gone.")


def _keep(path: Path, password: str) -> str:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mkstemp makes it 0600
    with os.fdopen(descriptor, "w") as file:
        file.write(password + "\n")
    os.replace(temporary, path)
    return password
