"""Tokens for the JSON API."""

import hashlib
import secrets

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def hash_token(token: str) -> str:
    """The form a token is stored in. SHA-256 suffices: a token is 256 random bits, not a password."""
    return hashlib.sha256(token.encode()).hexdigest()


class ApiToken(models.Model):
    """A bearer token. Only its hash is stored, so it can be shown once only."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("created by"), on_delete=models.SET_NULL, null=True, blank=True, editable=False
    )
    created_at = models.DateTimeField(_("created at"), default=timezone.now, db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, editable=False)

    class Meta:
        db_table = "api_tokens"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(cls, name: str, created_by: object = None) -> tuple["ApiToken", str]:
        """Makes a token and returns it with its text, which cannot be had again. Raises IntegrityError when the name is taken."""
        token = "sso_" + secrets.token_urlsafe(32)
        return cls.objects.create(name=name, token_hash=hash_token(token), created_by=created_by), token
