"""Who may use the hub: API tokens, staff logins, groups, and the sidebar that shows each what they may see."""

import pytest
from django.contrib.auth import get_user_model

from ssodash.models import ApiToken, hash_token
from tests.pages import Person, root, text

pytestmark = pytest.mark.django_db(transaction=True)

TOKENS = "/admin/ssodash/apitoken/"


def test_a_token_is_shown_once_and_only_its_hash_is_kept() -> None:
    person = root()
    shown = person.post(f"{TOKENS}add/", name="payroll")
    token = next(word for word in text(shown).split() if word.startswith("sso_"))
    kept = ApiToken.objects.get()
    assert (kept.name, kept.token_hash, kept.created_by) == ("payroll", hash_token(token), person.login)
    for path in (TOKENS, f"{TOKENS}{kept.pk}/change/", f"{TOKENS}{kept.pk}/history/"):
        page = person.get(path)
        assert page.status_code == 200
        assert token not in page.content.decode()
        assert kept.token_hash not in page.content.decode()


def test_a_token_cannot_be_changed_but_deleted() -> None:
    token, _ = ApiToken.issue("payroll")
    person = root()
    assert person.post(f"{TOKENS}{token.pk}/change/", name="other").status_code == 403
    person.post(f"{TOKENS}{token.pk}/delete/", post="yes")
    assert not ApiToken.objects.exists()


def test_a_name_that_is_taken_is_refused_beside_its_field() -> None:
    ApiToken.issue("payroll")
    page = root().post(f"{TOKENS}add/", name="payroll")
    assert "API token with this Name already exists" in text(page)
    assert ApiToken.objects.count() == 1


def test_staff_logins_and_groups_have_their_pages() -> None:
    person = root()
    for path in ("/admin/auth/user/", "/admin/auth/user/add/", f"/admin/auth/user/{person.login.pk}/change/", "/admin/auth/group/add/"):
        assert person.get(path).status_code == 200, path
    person.post("/admin/auth/user/add/", username="clara", usable_password="true", password1="correct horse", password2="correct horse")
    assert get_user_model().objects.get(username="clara").check_password("correct horse")


def test_the_sidebar_shows_only_what_one_may_see() -> None:
    page = text(Person("users.view_userprofile").get("/admin/"))
    assert "Users" in page
    for entry in ("Sites", "Log of attempts", "Runs", "Deliveries", "Staff logins", "API tokens"):
        assert entry not in page, entry
