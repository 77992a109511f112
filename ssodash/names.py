"""What people call models and their fields. Said beside the models, not in them: a better name, or another language, is no migration."""

from typing import Any

from django.db.models import Model
from django.utils.functional import Promise

Name = str | Promise


def call(model: type[Model], *, one: Name = "", many: Name = "", **fields: Name) -> None:
    """Gives a model its names (`one` of it, `many`), and its fields theirs, on every page and form. To be called when apps get ready."""
    meta: Any = model._meta
    meta.verbose_name = one or meta.verbose_name
    meta.verbose_name_plural = many or meta.verbose_name_plural
    for field, name in fields.items():
        meta.get_field(field).verbose_name = name
