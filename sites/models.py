"""The connected sites, and their secrets in a table of their own."""

import base64
import secrets as random
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sites.validators import validate_site_url, validate_sync_path


class ConnectedSite(models.Model):
    """An application that hears of every change to the users in its scope.

    `epoch` belongs to the database: a trigger raises it whenever the site moves (url, sync path or connector), and what the site
    acknowledged under an earlier epoch no longer counts.
    """

    class Connector(models.TextChoices):
        REST = "rest", _("REST (JSON over HTTP)")

    class AuthMethod(models.TextChoices):
        SIGNATURE = "signature", _("Signed requests (Standard Webhooks)")

    name = models.SlugField(unique=True, max_length=50, help_text=_("A short name for URLs, commands and SQL, for example hrms."))
    display_name = models.CharField(max_length=100, help_text=_("What people see, for example HRMS."))
    url = models.CharField(_("URL"), max_length=500, validators=[validate_site_url], help_text=_("For example https://hrms.example.com."))
    icon = models.CharField(
        max_length=50,
        blank=True,
        default="apps",
        db_default="apps",
        help_text=_("The name of a Material Symbol, for example badge or storefront."),
    )
    category = models.CharField(max_length=100, blank=True, default="", db_default="", help_text=_("For example Human resources."))
    is_active = models.BooleanField(
        _("active"), default=True, db_default=True, help_text=_("An inactive site receives nothing; when it is active again it catches up.")
    )
    connector = models.CharField(max_length=20, choices=Connector.choices, default=Connector.REST, db_default="rest")
    sync_path = models.CharField(max_length=200, default="/api/users/sync", db_default="/api/users/sync", validators=[validate_sync_path])
    batch_size = models.PositiveIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Users per request. 1 sends one user a request; more needs the site's batch endpoint."),
    )
    max_in_flight = models.PositiveIntegerField(
        default=8,
        db_default=8,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("Requests under way at the same time at most."),
    )
    timeout = models.FloatField(
        default=10.0,
        db_default=10.0,
        validators=[MinValueValidator(0.5), MaxValueValidator(120)],
        help_text=_("Seconds that one request may take in total."),
    )
    auth_method = models.CharField(max_length=20, choices=AuthMethod.choices, default=AuthMethod.SIGNATURE, db_default="signature")
    roles = ArrayField(
        models.CharField(max_length=100),
        default=list,
        db_default=models.Value([], output_field=ArrayField(models.CharField(max_length=100))),
        blank=True,
        verbose_name=_("roles in scope"),
        help_text=_("Only users with one of these roles are synced to this site. Empty: all users."),
    )
    epoch = models.BigIntegerField(default=1, db_default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now(), editable=False)

    class Meta:
        db_table = "connected_sites"
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.display_name or self.name

    def clean(self) -> None:
        self.url = self.url.rstrip("/")


class CredentialQuerySet(models.QuerySet["SiteCredential"]):
    """Credentials as verbs."""

    def signing(self) -> Self:
        """Those that requests are signed with now."""
        return self.filter(kind=SiteCredential.Kind.SIGNING).order_by("-id")


class SiteCredential(models.Model):
    """A secret that the hub and one site share. Never shown again after it was made, never logged."""

    class Kind(models.TextChoices):
        SIGNING = "signing", _("Signing secret")

    # The database itself cascades: a site may be deleted in a SQL console.
    site = models.ForeignKey(ConnectedSite, on_delete=models.DO_NOTHING, db_constraint=False, related_name="credentials")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.SIGNING, db_default="signing")
    secret = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)

    objects = CredentialQuerySet.as_manager()

    class Meta:
        db_table = "site_credentials"
        verbose_name = "credential"

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.site}"


def new_signing_secret() -> str:
    """`whsec_` and 32 random bytes in base64 (https://www.standardwebhooks.com: 24 to 64 bytes)."""
    return "whsec_" + base64.b64encode(random.token_bytes(32)).decode()


def issue_signing_secret(site: ConnectedSite) -> str:
    """Replaces the site's signing secret by a new one and returns it: the only time it is to be seen.

    From the next request on only the new one signs.
    """
    secret = new_signing_secret()
    with transaction.atomic():
        site.credentials.signing().delete()
        site.credentials.create(kind=SiteCredential.Kind.SIGNING, secret=secret)
    return secret
