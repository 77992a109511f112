"""Nothing that people read is left in one language: found where it is written, and looked at where it is shown."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.utils import translation
from django.utils.text import capfirst

from sites.models import ConnectedSite
from ssodash import catalogs
from sync.models import SyncRun
from tests.pages import errors, root, text
from tests.sync.conftest import user
from users.models import UserProfile

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
WORDS = re.compile(r"[A-Za-zÀ-ÿ]{2,}")
SAME_EVERYWHERE = {
    "SSO Dashboard", "POST", "webhook-id", "webhook-timestamp", "webhook-signature", "Standard Webhooks", "SYNC_SECRET=whsec_…",
    '200 {"success": true, "id": "user_…"}', "whsec_••••••••", 'curl -H "Authorization: Bearer $TOKEN"', "python manage.py sync_worker",
    "email", "user_id", "full_name", "role", "is_active",
}  # fmt: skip
"""Names, code, and the columns of a file."""
MARKS = set(catalogs.KEYWORDS)


def plain_words(template: str) -> Iterator[str]:
    """What a template says without asking for a translation: between its tags, and in attributes that are read to people."""
    source = re.sub(r"{#.*?#}|{%\s*(comment|blocktranslate).*?end\1\s*%}", "", template, flags=re.DOTALL)
    source = re.sub(r'<span class="material-symbols-outlined[^>]*>.*?</span>', "", source, flags=re.DOTALL)
    attributes = re.findall(r'(?:title|aria-label|placeholder|alt)="([^"{]+)"', source)
    bare = re.sub(r"{%.*?%}|{{.*?}}", "\n", source, flags=re.DOTALL)
    for said in [*attributes, *re.sub(r"<[^>]*>", "\n", bare).splitlines()]:
        if WORDS.search(said) and said.strip() not in SAME_EVERYWHERE:
            yield said.strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_says_nothing_in_one_language_only(path: Path) -> None:
    assert list(plain_words(path.read_text())) == []


def test_no_text_is_asked_for_within_an_f_string_where_it_would_not_be_found() -> None:
    found = []
    for path in sorted(file for package in catalogs.PACKAGES for file in (ROOT / package).rglob("*.py")):
        for string in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr)):
            calls = (node.func for node in ast.walk(string) if isinstance(node, ast.Call))
            found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in calls if isinstance(call, ast.Name) and call.id in MARKS]
    assert found == []


def test_texts_are_marked_by_names_that_are_looked_for() -> None:
    """An import under another name (`gettext_lazy as _lazy`) would mark a text that no catalog ever has."""
    found = []
    for path in sorted(file for package in catalogs.PACKAGES for file in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation":
                found += [f"{path.relative_to(ROOT)}: {name.asname}" for name in node.names if name.asname and name.asname not in MARKS]
    assert found == []


@pytest.mark.parametrize("model", [UserProfile, ConnectedSite, SyncRun], ids=lambda model: model.__name__)
def test_the_names_of_what_people_see_are_german_in_german(model: type[Model]) -> None:
    own = admin.site._registry[model]
    shown = {name for _, options in own.get_fieldsets(None, None) or [] for name in options["fields"]} if model is not SyncRun else set()
    shown |= {name for name in [*own.list_display, *own.list_filter] if isinstance(name, str)}
    fields = [field for field in model._meta.concrete_fields if field.name in shown | {"created_at"}]
    assert fields
    same = {"name", "URL", "icon", "status"}
    english = {field.name: str(field.verbose_name) for field in fields}
    with translation.override("de"):
        german = {field.name: str(field.verbose_name) for field in fields}
        names = str(model._meta.verbose_name), str(model._meta.verbose_name_plural)
    assert {name for name in english if english[name] == german[name] and english[name] not in same} == set()
    assert names in {("Benutzer", "Benutzer"), ("Anwendung", "Anwendungen"), ("Lauf", "Läufe")}


@pytest.mark.django_db(transaction=True)
def test_the_form_of_a_user_is_german_in_german() -> None:
    user("ada@example.com", is_active=False, full_name="Ada")
    person = root()
    person.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    page = text(person.get("/admin/users/userprofile/add/"))
    for said in ("E-Mail", "Rolle", "Aktiv", "Benutzer-ID", "Von der Rolle kann abhängen", "Sie ändert sich nie."):
        assert capfirst(said) in page
    answer = person.post("/admin/users/userprofile/add/", email="ADA@example.com", role="user", full_name="", user_id="a b")
    said = errors(answer)
    assert said["email"] == [
        "Es gibt schon einen Benutzer mit dieser E-Mail-Adresse: Ada (ada@example.com). "
        "Er ist inaktiv: Aktivieren Sie stattdessen diesen Benutzer."
    ]
    assert said["full_name"] == ["Geben Sie den Namen ein."]
    assert said["user_id"][0].startswith("Verwenden Sie Buchstaben, Ziffern, - und _")


@pytest.mark.django_db(transaction=True)
def test_before_a_user_is_deleted_all_is_told_in_german() -> None:
    gone, there = user("bob@example.com", is_active=False, full_name="Bob"), user("ada@example.com", full_name="Ada")
    person = root()
    person.client.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert "Bob endgültig löschen?" in text(person.get(f"/admin/users/userprofile/{gone.pk}/delete/"))
    assert "Ada (ada@example.com) wird deaktiviert, nicht gelöscht." in text(person.get(f"/admin/users/userprofile/{there.pk}/delete/"))
    page = text(person.post("/admin/users/userprofile/", action="delete_selected", _selected_action=[gone.pk, there.pk]))
    assert "1 aktiver Benutzer: wird deaktiviert, nicht gelöscht." in page
    assert "1 inaktiver Benutzer: wird endgültig gelöscht." in page
