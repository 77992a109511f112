"""How gunicorn serves the hub: `gunicorn ssodash.wsgi` in this folder reads this file. `make run` and production alike."""

import os
import sys
import traceback
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from ssodash import plain_errors
from ssodash.env import integer
from ssodash.local import read_env_file

before = set(os.environ)
read_env_file()
try:
    host = os.environ.get("HOST", "").strip() or "127.0.0.1"
    bind = f"{f'[{host}]' if ':' in host else host}:{integer('PORT', 3000, low=1, high=65_535)}"
    workers = integer("WEB_WORKERS", 2, low=1, high=64)
    threads = integer("WEB_THREADS", 8, low=1, high=256)
    graceful_timeout = integer("WEB_GRACE_SECONDS", 30, low=1, high=600)
except ImproperlyConfigured as wrong:
    sys.exit(plain_errors.report(wrong))
for name in set(os.environ) - before:
    del os.environ[name]  # each worker reads the file itself, so that a reload (HUP) finds what was changed in it
worker_class = "gthread"
timeout = 60
keepalive = 5
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  (a heartbeat on a slow disk looks like a hang)
control_socket_disable = True  # two hubs of one account would share it
errorlog = "-"
loglevel = "warning"


def on_starting(server: Any) -> None:
    """Before any worker: wrong settings end it with one line; without its database it says so, and serves once that is back."""
    # In a child, so that the master has loaded none of the hub's code: the workers of a reload (HUP) then load the new one.
    child = os.fork()
    if not child:
        os._exit(_check())
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == plain_errors.WRONG_SETTING:
        sys.exit(plain_errors.WRONG_SETTING)


def _check() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ssodash.settings")
    try:
        import django

        django.setup()
        from ssodash import row_security

        row_security.require_owner()
    except Exception as error:
        status = plain_errors.report(error)
        if status is None:
            traceback.print_exc()
        return status or 1
    return 0
