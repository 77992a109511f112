from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class HubConfig(AppConfig):
    """The hub itself: its start, its front page, its API's root and tokens."""

    name = "ssodash"
    verbose_name = _("Hub")

    def ready(self) -> None:
        from ssodash import row_security

        post_migrate.connect(row_security.enable, sender=self, dispatch_uid="row-security")


class HubAdminConfig(AdminConfig):
    """Django's admin with our site in the place of the default one."""

    default_site = "ssodash.admin_site.HubAdminSite"
