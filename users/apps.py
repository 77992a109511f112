from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from ssodash.names import call


class UsersConfig(AppConfig):
    """The directory of users."""

    name = "users"
    verbose_name = _("Directory")

    def ready(self) -> None:
        call(
            self.get_model("UserProfile"),
            one=_("user"),
            many=_("users"),
            user_id=_("user id"),
            email=_("email"),
            full_name=_("full name"),
            role=_("role"),
            is_active=_("active"),
            created_at=_("created at"),
            updated_at=_("updated at"),
        )
