"""WSGI entry point for gunicorn: `gunicorn ssodash.wsgi`. Refuses to start where row level security hides the hub's tables from it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ssodash.settings")
application = get_wsgi_application()

from ssodash import row_security  # noqa: E402  (it needs the settings)

row_security.check_at_start()
