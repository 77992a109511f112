from django.apps import AppConfig


class UsersConfig(AppConfig):
    """The directory of users."""

    name = "users"
    verbose_name = "Directory"
