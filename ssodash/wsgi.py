"""WSGI entry point for gunicorn: `gunicorn ssodash.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ssodash.settings")
application = get_wsgi_application()
