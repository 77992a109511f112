from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from ssodash.names import call


class SitesConfig(AppConfig):
    """The connected sites and their credentials."""

    name = "sites"
    verbose_name = _("Connected applications")

    def ready(self) -> None:
        call(
            self.get_model("ConnectedSite"),
            name=_("name"),
            display_name=_("display name"),
            icon=_("icon"),
            category=_("category"),
            connector=_("connector"),
            sync_path=_("sync path"),
            batch_size=_("batch size"),
            max_in_flight=_("max in flight"),
            timeout=_("timeout"),
            created_at=_("created at"),
            updated_at=_("updated at"),
        )
