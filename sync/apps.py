from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from ssodash.names import call


class SyncConfig(AppConfig):
    """Capture changes, deliver them to the sites, show the truth."""

    name = "sync"
    verbose_name = pgettext_lazy("sidebar", "Sync")

    def ready(self) -> None:
        from sites.validators import refuse_addresses_by
        from sync import signals  # noqa: F401  (importing it connects it)
        from sync.transport import egress

        refuse_addresses_by(egress.blocked)
        self._name()

    def _name(self) -> None:
        call(self.get_model("Delivery"), status=_("status"), tries=_("tries"), wanted_action=_("wanted"))
        call(self.get_model("UserSyncLog"), site_name=_("site"))
        call(
            self.get_model("SyncRun"),
            state=_("state"),
            scope=_("scope"),
            actor=_("who"),
            created_at=_("created at"),
            started_at=_("started at"),
            finished_at=_("finished at"),
            public_id=_("run id"),
        )
