"""Check and save a model's row for the API: what the admin refuses, the API refuses too, in the same words."""

from collections.abc import Collection
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, models
from ninja.errors import HttpError
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

UNIQUE_VIOLATION = "23505"


class Conflict(HttpError):
    """Another row has what must be unique."""

    def __init__(self, message: str) -> None:
        super().__init__(409, message)


class Invalid(HttpError):
    """A value that cannot be taken."""

    def __init__(self, message: str) -> None:
        super().__init__(422, message)


def apply(row: models.Model, given: BaseModel, fields: list[str]) -> list[str]:
    """Puts what was given for these fields into the row; returns those that differ now."""
    changed = [name for name in fields if name in given.model_fields_set and getattr(row, name) != getattr(given, name)]
    for name in changed:
        setattr(row, name, getattr(given, name))
    return changed


def check(row: models.Model, only: Collection[str] | None = None) -> None:
    """Runs the model's validators but for uniqueness, `only` those of these fields. Raises Invalid naming the first wrong field."""
    others = [field.name for field in row._meta.fields if only is not None and field.name not in only]
    try:
        row.full_clean(exclude=others, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise Invalid(_sentence(error)) from None


def is_duplicate(error: IntegrityError) -> bool:
    """Whether this is about a row that is there already."""
    return getattr(error.__cause__, "sqlstate", None) == UNIQUE_VIOLATION


def constraint(error: IntegrityError) -> str:
    """The name of the constraint that refused."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def _sentence(error: ValidationError) -> str:
    by_field: dict[str, list[Any]] = error.message_dict
    name, messages = next(iter(by_field.items()))
    text = " ".join(str(message) for message in messages)
    return text if name == NON_FIELD_ERRORS else f"{to_camel(name)}: {text}"
