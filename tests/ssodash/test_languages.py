"""The hub speaks the viewer's language, as far as it knows it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import translation

from sync import status
from sync.status import words
from tests.pages import root, text

NOW = datetime(2026, 1, 15, 12, 30, tzinfo=UTC)


@pytest.mark.django_db(transaction=True)
def test_the_browsers_language_is_used_until_another_one_is_chosen() -> None:
    login = "/admin/login/"
    assert 'lang="de"' in Client(headers={"Accept-Language": "de-AT,de;q=0.9"}).get(login).content.decode()
    assert 'lang="en"' in Client(headers={"Accept-Language": "fr"}).get(login).content.decode()
    assert "Protokoll der Versuche" in text(root().client.get("/admin/", headers={"Accept-Language": "de"}))


@pytest.mark.django_db(transaction=True)
def test_a_language_is_chosen_in_the_shell_without_javascript() -> None:
    person = root()
    page = person.get("/admin/").content.decode()
    assert re.search(r'<form action="/i18n/setlang/".*?value="de"', page, re.DOTALL)
    person.post("/i18n/setlang/", language="de", next="/admin/")
    assert "Protokoll der Versuche" in text(person.get("/admin/"))
    person.post("/i18n/setlang/", language="en", next="/admin/")
    assert "Log of attempts" in text(person.get("/admin/"))


@pytest.mark.django_db(transaction=True)
def test_error_pages_speak_the_viewers_language() -> None:
    answer = Client(headers={"Accept-Language": "de"}).get("/nowhere/")
    assert "Unter dieser Adresse gibt es keine Seite" in text(answer)
    assert '<html lang="de">' in answer.content.decode()


def test_moments_and_numbers_follow_the_language() -> None:
    with translation.override("de"):
        assert status.ago(NOW - timedelta(minutes=5), NOW) == "vor 5 min"
        assert status.ago(NOW - timedelta(days=1, hours=14), NOW) == "vor 2 Tagen"
        assert status.ago(None) == "nie"
        assert status.until(NOW + timedelta(hours=3), NOW) == "in 3 h"
        assert status.until(NOW + timedelta(seconds=20), NOW) == "in weniger als einer Minute"
        assert status.count(1200, "site") == "1.200 Anwendungen"
        assert status.listed(["HRMS", "CMS"]) == "HRMS und CMS"
        assert status.cause("save") == "Gespeichert"
    assert status.ago(NOW - timedelta(days=2), NOW) == "2 days ago"
    assert status.count(1200, "site") == "1,200 sites"
    assert status.listed(["A", "B", "C", "D", "E", "F"]) == "A, B, C, D and 2 more"


def test_a_moment_to_come_is_told_as_such() -> None:
    assert words.moment_in_words(NOW + timedelta(minutes=5), NOW) == "in 5 min"
    assert words.moment_in_words(NOW - timedelta(minutes=5), NOW) == "5 min ago"


def test_every_language_has_its_compiled_files() -> None:
    for folder in settings.LOCALE_PATHS:
        for code, _ in settings.LANGUAGES:
            assert code == "en" or (folder / code / "LC_MESSAGES" / "django.mo").is_file()
