"""Which deliveries are under way."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from sites.models import ConnectedSite

UNDER_WAY = "(select unnest(l.delivery_ids) from user_sync_lease l)"
"""In SQL, the deliveries that are under way: few, and read once a statement where it is written `id in …` or `id not in …`."""


class Lease(models.Model):
    """One request to a site, from its claim until what came of it is written down, or until it expires.

    The arrays belong together: what is sent of which delivery, and why. A delivery is in one lease at most; it is pending all the time,
    in progress while it is in one. Only `sync.deliver` writes here.
    """

    id = models.BigIntegerField(primary_key=True, help_text="Random, but near each other for the requests of one claim.")
    site = models.ForeignKey(ConnectedSite, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    epoch = models.BigIntegerField(help_text="The site's, as it was claimed for.")
    probe = models.BooleanField(default=False, db_default=False)
    holder = models.BigIntegerField(null=True, help_text="Whose it is: a number that each sender draws for itself.")
    started_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()
    delivery_ids = ArrayField(models.BigIntegerField(), help_text="In the order of the claim.")
    tokens = ArrayField(models.UUIDField(), help_text="The ids of the attempts under way.")
    versions = ArrayField(models.BigIntegerField())
    generations = ArrayField(models.IntegerField())
    causes = ArrayField(models.CharField(max_length=20))
    actors = ArrayField(models.CharField(max_length=150))
    run_ids = ArrayField(models.BigIntegerField(null=True))

    class Meta:
        db_table = "user_sync_lease"
        verbose_name = _("lease")
        verbose_name_plural = _("leases")
        # By the random number too: new entries go among those of leases that ended and make room for themselves. By the site alone they go
        # behind them, and whoever counts would pass over all those since the last vacuum.
        indexes = [models.Index(fields=["site", "id"], name="user_sync_lease_site")]

    def __str__(self) -> str:
        return f"{len(self.delivery_ids)} at site {self.site_id} until {self.until}"
