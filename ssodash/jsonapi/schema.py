"""The shapes of the JSON API: camelCase outside, strict types, and no field that nobody knows."""

from typing import Annotated, Any

from django.conf import settings
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

MAX_PAGE = 200
"""Rows that one page of a list has at the most."""
MAX_OFFSET = 1_000_000_000


def _storable(text: str) -> str:
    """PostgreSQL's text takes no NUL, which JSON can write."""
    if "\x00" in text:
        raise PydanticCustomError("nul", "has a NUL character in it: take it out")
    return text


Text = Annotated[str, AfterValidator(_storable)]
"""A string that the database can hold."""


LEFT_OUT: Any = None
"""The default of a field that a change may leave out but not empty. `model_fields_set` says which were given."""


def _fields_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _refuse_unknown(model: type[BaseModel], names: Any) -> None:
    known = _fields_of(model)
    for name in names:
        if name not in known:
            said = {"name": _short(name), "fields": ", ".join(known)}
            raise PydanticCustomError("unknown_field", "{name} is not known here: the fields are {fields}", said)


def _short(name: str) -> str:
    return repr(name if len(name) <= 60 else name[:60] + "…")


class Body(BaseModel):
    """What a caller sends as JSON. A number is not taken for a string, nor the reverse."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, given: Any) -> Any:
        if isinstance(given, dict):
            _refuse_unknown(cls, given)
        return given


class Query(BaseModel):
    """What a caller sends behind the `?`, where everything is text. One class holds all of an endpoint's parameters."""

    model_config = ConfigDict(alias_generator=to_camel)

    @model_validator(mode="before")
    @classmethod
    def _known_fields_only(cls, given: Any, info: ValidationInfo) -> Any:
        if info.context:
            sent = info.context["request"].GET
            _refuse_unknown(cls, sent)
            for name in sent:
                if len(sent.getlist(name)) > 1:
                    raise PydanticCustomError("twice", "{name} is there twice: give it once", {"name": name})
        return given


class PageQuery(Query):
    """Which rows of a list."""

    limit: int = Field(50, ge=1, le=MAX_PAGE, description="Rows to answer with.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Rows to leave out before them.")


class Answer(BaseModel):
    """What the API answers with."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


class Page(Answer):
    """One page of a list. Subclasses add `items`."""

    total: int = Field(description="Rows that match, on all pages.")
    limit: int
    offset: int


class Error(Answer):
    """Why a request was refused, and what to do about it."""

    error: str


def one_of(*words: str) -> Any:
    """Tells the schema which words an answer's string can be."""
    return Field(json_schema_extra={"enum": list(words)})


def one_role(schema: dict[str, Any]) -> None:
    """Tells the schema which roles there are, when it is asked for."""
    schema["enum"] = list(settings.SYNC_ROLES)


def some_roles(schema: dict[str, Any]) -> None:
    """The same of a list."""
    one_role(schema["items"])


SyncStatus = Annotated[str, one_of("pending", "in_progress", "success", "failed")]


class SiteResult(Answer):
    """What came of syncing a user to one site, so far."""

    site: str
    status: SyncStatus
    error_message: str | None = None


READ_ERRORS = frozenset({400, 401, 403, 404, 405, 422, 500, 503})
WRITE_ERRORS = READ_ERRORS | {409, 411, 413, 415}
