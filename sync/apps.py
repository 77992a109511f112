from django.apps import AppConfig


class SyncConfig(AppConfig):
    """Capture changes, deliver them to the sites, show the truth."""

    name = "sync"
    verbose_name = "Sync"

    def ready(self) -> None:
        from sites.validators import refuse_addresses_by
        from sync import signals  # noqa: F401  (importing it connects it)
        from sync.transport import egress

        refuse_addresses_by(egress.blocked)
