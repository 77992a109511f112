from django.apps import AppConfig


class SitesConfig(AppConfig):
    """The connected sites and their credentials."""

    name = "sites"
    verbose_name = "Connected applications"
