from django.apps import AppConfig


class SyncConfig(AppConfig):
    """Capture changes, deliver them to the sites, show the truth."""

    name = "sync"
    verbose_name = "Sync"

    def ready(self) -> None:
        from sync import checks, signals  # noqa: F401  (importing them connects them)
