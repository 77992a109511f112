"""Settings, all of them from the environment (or a `.env` file beside manage.py). README.md lists every one."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from ssodash import database
from ssodash.env import choice, env, flag, integer, networks, number, words

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_env(str(BASE_DIR / ".env"))

DEBUG = flag("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. Set it to a long random text, for example the output of "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(50))'`, or use `make run`, which keeps one for you."
        )
    SECRET_KEY = "debug-only-key-that-signs-nothing-of-worth-because-DEBUG-is-on"  # noqa: S105

ALLOWED_HOSTS = words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = words("CSRF_TRUSTED_ORIGINS", [])
HTTPS = flag("HTTPS", False)
"""Whether people reach the hub by https. Turns on secure cookies, HSTS and the redirect to https."""

DATABASES: dict[str, dict[str, Any]] = {"default": database.from_environment()}

# --- what the hub is about -------------------------------------------------------------------------------------------
SYNC_ROLES = words("SYNC_ROLES", ["user", "staff", "lead", "manager", "admin"])
if not SYNC_ROLES:
    raise ImproperlyConfigured("SYNC_ROLES is empty. List the roles a user can have, separated by commas.")
SYNC_ON_SAVE = choice("SYNC_ON_SAVE", "push", ["push", "queue"])
"""push: a save sends to every site before it answers. queue: the worker is woken and sends."""
SYNC_PUSH_DEADLINE = number("SYNC_PUSH_DEADLINE", 5, low=0.1, high=30)
"""Seconds that one save, page or API call waits for the sites at most."""
SYNC_PUSH_THREADS = integer("SYNC_PUSH_THREADS", 32, low=1, high=500)
"""How many requests one process sends at the same time while it pushes."""
SYNC_PUSH_MAX = integer("SYNC_PUSH_MAX", 300, low=1, high=10_000)
"""A transaction that owes more deliveries than this leaves them to the worker."""
SYNC_LOG_DAYS = integer("SYNC_LOG_DAYS", 400, low=1, high=36_500)
"""How many days the log keeps an attempt."""
SYNC_LOG_ROWS = integer("SYNC_LOG_ROWS", 0, low=0, high=100_000_000_000)
"""How many attempts the log keeps at the most; 0 for any number."""
SYNC_SWEEP_SECONDS = number("SYNC_SWEEP_SECONDS", 3, low=0.2, high=10)
"""How often the worker looks for changes that nothing woke it for."""
SYNC_WORKER_IN_FLIGHT = integer("SYNC_WORKER_IN_FLIGHT", 800, low=1, high=5_000)
"""How many requests one worker process keeps open at the same time."""
SYNC_WORKER_SILENT_SECONDS = 30
"""After so many seconds without a sign of life a worker counts as gone."""
SYNC_CONNECT_TIMEOUT = number("SYNC_CONNECT_TIMEOUT", 5, low=0.1, high=60)
SYNC_BLOCKED_NETWORKS = networks("SYNC_BLOCKED_NETWORKS", ["169.254.0.0/16", "fe80::/10", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8"])
"""Networks that no request may go to (by default those of cloud metadata services and of no single machine)."""

# --- Django ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "ssodash.apps.HubConfig",
    "users.apps.UsersConfig",
    "sites.apps.SitesConfig",
    "sync.apps.SyncConfig",
    "unfold.apps.BasicAppConfig",  # the plain "unfold" would put its own admin site in the place of ours
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "procrastinate.contrib.django",
    "ssodash.apps.HubAdminConfig",
]
MIDDLEWARE = [
    "ssodash.jsonapi.middleware.JsonErrorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # see docs/decisions/0012-compressed-pages.md
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "ssodash.middleware.TimeZoneMiddleware",
    "django.middleware.common.CommonMiddleware",
    "ssodash.harmless_text.HarmlessTextMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sync.middleware.OriginMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "ssodash.middleware.DatabaseGoneMiddleware",
]
ROOT_URLCONF = "ssodash.urls"
WSGI_APPLICATION = "ssodash.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale" / "hub", BASE_DIR / "locale" / "shell"]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
FORM_RENDERER = "ssodash.form_renderer.QuickCheckboxes"
STATIC_URL = "static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default="").strip() or BASE_DIR / "var" / "static")  # "" would be this very folder, to be cleared
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": choice("LOG_LEVEL", "INFO", ["DEBUG", "INFO", "WARNING", "ERROR"])},
    "loggers": {"procrastinate": {"level": "WARNING"}, "httpx": {"level": "WARNING"}},
}

UNFOLD = {
    "SITE_TITLE": "SSO Dashboard",
    "SITE_HEADER": "SSO Dashboard",
    "SITE_SUBHEADER": _("One user, available everywhere"),
    "SITE_SYMBOL": "hub",
    "SITE_URL": None,  # there is no other site to go back to
    "SHOW_HISTORY": True,
    "SHOW_LANGUAGES": True,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda _: static("ssodash/hub.css")],
    "SCRIPTS": [lambda _: static("ssodash/hub.js"), lambda _: static("ssodash/shell.js"), lambda _: static("ssodash/toasts.js")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("ssodash/icon.svg")}],
    "SIDEBAR": {"show_search": False, "navigation": "ssodash.navigation.sidebar"},
    "COLORS": {
        "primary": {
            "50": "oklch(96.9% .016 252)",
            "100": "oklch(93.2% .032 252)",
            "200": "oklch(88.2% .059 252)",
            "300": "oklch(80.9% .105 252)",
            "400": "oklch(70.7% .165 254)",
            "500": "oklch(62.3% .19 258)",
            "600": "oklch(52% .21 260)",
            "700": "oklch(46% .2 261)",
            "800": "oklch(40% .17 262)",
            "900": "oklch(35% .13 263)",
            "950": "oklch(26% .08 265)",
        },
    },
}
