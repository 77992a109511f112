"""How form fields are drawn: as Django does it, but a checkbox without a template."""

from functools import lru_cache
from html import escape
from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest
from django.utils.safestring import SafeString

CHECKBOX = "django/forms/widgets/checkbox.html"
KEPT_LENGTH = 2_000


class QuickCheckboxes(DjangoTemplates):
    """A list of the admin draws two checkboxes for each row, one of them only to read the head of the column again."""

    def render(self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None) -> str:
        if template_name != CHECKBOX:
            return super().render(template_name, context, request)
        widget = context["widget"]
        shown = {"type": widget["type"], "name": widget["name"]}
        if widget["value"] is not None:
            shown["value"] = widget["value"]
        shown |= {name: value for name, value in widget["attrs"].items() if value is not False}
        # As texts: what is translated lazily is another one in another language.
        said = tuple((name, value if value is True else str(value)) for name, value in shown.items())
        # What somebody posted may be long, and is not to be kept.
        return _input(said) if sum(len(str(value)) for _name, value in said) < KEPT_LENGTH else _input.__wrapped__(said)


@lru_cache(maxsize=512)
def _input(attributes: tuple[tuple[str, str | bool], ...]) -> SafeString:
    said = (escape(name) if value is True else f'{escape(name)}="{escape(str(value))}"' for name, value in attributes)
    return SafeString(f"<input {' '.join(said)}>")
