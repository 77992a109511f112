"""What a program of the hub loads before it does anything: every command, worker and web server waits for that."""

import os
import subprocess
import sys

from tests.processes import PROJECT, database_url

STATUS = """
import sys
from django.core.management import execute_from_command_line
try:
    execute_from_command_line(["manage.py", "sync_status"])
finally:
    print(sorted({"openpyxl", "ssodash.urls", "ssodash.api"} & set(sys.modules)), file=sys.stderr)
"""


def test_a_command_loads_no_pages_and_nothing_for_workbooks(transactional_db: None) -> None:
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "ssodash.settings"}
    done = subprocess.run([sys.executable, "-c", STATUS], cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "[]", done.stderr
