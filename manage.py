#!/usr/bin/env python3
"""Run a management command. What a person can mend (settings, no database) ends with one readable line, not with a traceback."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ssodash.settings")
    try:
        from django.conf import settings
        from django.core.management import execute_from_command_line

        from ssodash import plain_errors
    except ImportError:
        sys.exit("Django is not installed here. Run `make venv`, then use .venv/bin/python manage.py …")
    if sys.argv[1:2] == ["up"]:  # it provides the settings that every other command needs
        from ssodash.up import main as up

        sys.exit(up(sys.argv[2:]))
    plain_errors.report_in_threads()
    try:
        settings.INSTALLED_APPS  # noqa: B018  (Django itself goes on without settings for some commands, and fails oddly later)
        execute_from_command_line(sys.argv)
    except Exception as error:
        status = None if "--traceback" in sys.argv else plain_errors.report(error, as_json="--json" in sys.argv)
        if status is None:
            raise
        sys.exit(status)


if __name__ == "__main__":
    main()
