"""Sites in the admin: connecting one, its secret, changing and deleting it."""

from typing import Any

import pytest

from sites.models import ConnectedSite, SiteCredential, issue_signing_secret
from tests.pages import Person, errors, root, text, told

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/sites/connectedsite/"
ADD = f"{LIST}add/"


def form(**fields: Any) -> dict[str, Any]:
    return {
        "display_name": "HRMS", "name": "hrms", "url": "https://hrms.example.com", "category": "Human resources", "icon": "badge",
        "is_active": "on", "roles": [], "sync_path": "/api/users/sync", "batch_size": 1, "max_in_flight": 8, "timeout": 10, **fields,
    }  # fmt: skip


@pytest.fixture
def hrms(transactional_db: None) -> ConnectedSite:
    site = ConnectedSite.objects.create(name="hrms", display_name="HRMS", url="https://hrms.example.com")
    issue_signing_secret(site)
    return site


def secret_of(site: ConnectedSite) -> str:
    return site.credentials.get().secret


def test_a_new_site_gets_a_secret_that_is_shown_on_the_next_page_and_never_again() -> None:
    person = root()
    shown = person.post(ADD, **form())
    site = ConnectedSite.objects.get()
    secret = secret_of(site)
    assert secret.startswith("whsec_")
    assert secret in text(shown)
    assert "shown this once and never again" in text(shown)
    assert "POST https://hrms.example.com/api/users/sync" in text(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    pages = [
        LIST,
        f"{LIST}{site.pk}/change/",
        f"{LIST}{site.pk}/history/",
        f"{LIST}{site.pk}/new-secret/",
        f"{LIST}{site.pk}/delete/",
        "/admin/",
    ]
    for page in pages:
        assert secret not in person.get(page).content.decode(), page
    assert "never shown again" in text(person.get(f"{LIST}{site.pk}/change/"))


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"url": "hrms.example.com"}, "url", "It has no scheme; the address must begin with https://"),
        ({"url": "https://admin:secret@hrms.example.com"}, "url", "The address has a user name or password in it. Take it out"),
        ({"url": "file:///etc/passwd"}, "url", "It begins with file:; the address must begin with https://"),
        ({"url": "https://"}, "url", "The address has no host name"),
        ({"url": ""}, "url", "Enter the site's address"),
        ({"name": "other"}, "name", "Another site has this name"),
        ({"name": "h r"}, "name", "Use letters, digits, - and _ only"),
        ({"roles": ["boss"]}, "roles", "boss is not one of the available choices"),
        ({"sync_path": "api"}, "sync_path", "must begin with one /"),
        ({"icon": "<b>"}, "icon", "Use the name of a Material Symbol"),
        ({"timeout": 0}, "timeout", "greater than or equal to 0.5"),
        ({"batch_size": 5000}, "batch_size", "less than or equal to 1000"),
    ],
)
def test_bad_input_is_explained_beside_its_field(fields: dict[str, Any], field: str, words: str) -> None:
    ConnectedSite.objects.create(name="other", display_name="Other", url="https://other.example.com")
    page = root().post(ADD, **form(**fields))
    assert page.status_code == 200
    assert list(errors(page)) == [field]
    assert words in errors(page)[field][0]
    assert not SiteCredential.objects.exists(), "a site that was refused must leave no secret behind"


def test_the_address_is_kept_without_a_trailing_slash() -> None:
    root().post(ADD, **form(url="https://hrms.example.com/app/"))
    assert ConnectedSite.objects.get().url == "https://hrms.example.com/app"


def test_roles_in_scope_are_chosen_from_those_there_are(hrms: ConnectedSite) -> None:
    root().post(f"{LIST}{hrms.pk}/change/", **form(roles=["staff", "lead"]))
    hrms.refresh_from_db()
    assert hrms.roles == ["staff", "lead"]


def test_a_role_that_is_no_longer_offered_stays_in_scope_and_is_named(hrms: ConnectedSite) -> None:
    ConnectedSite.objects.update(roles=["contractor"])
    person = root()
    assert "contractor (no longer in SYNC_ROLES)" in text(person.get(f"{LIST}{hrms.pk}/change/"))
    person.post(f"{LIST}{hrms.pk}/change/", **form(roles=["contractor", "staff"]))
    hrms.refresh_from_db()
    assert hrms.roles == ["contractor", "staff"]


def test_asking_for_a_new_secret_changes_nothing_until_it_is_confirmed(hrms: ConnectedSite) -> None:
    before, person = secret_of(hrms), root()
    asked = person.get(f"{LIST}{hrms.pk}/new-secret/")
    assert "From the next request on only the new one signs" in text(asked)
    assert secret_of(hrms) == before
    shown = person.post(f"{LIST}{hrms.pk}/new-secret/", replaces=hrms.credentials.get().pk)
    assert secret_of(hrms) != before
    assert secret_of(hrms) in text(shown)
    assert secret_of(hrms) not in person.get(f"{LIST}{hrms.pk}/history/").content.decode()


def test_reloading_the_page_with_the_new_secret_does_not_make_another_one(hrms: ConnectedSite) -> None:
    person, replaces = root(), hrms.credentials.get().pk
    person.post(f"{LIST}{hrms.pk}/new-secret/", replaces=replaces)
    copied = secret_of(hrms)
    again = person.post(f"{LIST}{hrms.pk}/new-secret/", replaces=replaces)
    assert secret_of(hrms) == copied
    assert copied not in again.content.decode()
    assert told(again) == [
        "The secret of HRMS is in place. It was shown once and is not shown again: if you did not keep it, make a new one."
    ]


def test_reloading_the_page_with_a_new_sites_secret_leads_to_the_site_and_is_no_error() -> None:
    person = root()
    person.post(ADD, **form())
    secret = SiteCredential.objects.get().secret
    again = person.post(ADD, **form(url="https://hrms.example.com/"))
    assert again.redirect_chain == [(f"{LIST}{ConnectedSite.objects.get().pk}/change/", 302)]
    assert "shown once and is not shown again" in told(again)[0]
    assert SiteCredential.objects.get().secret == secret
    other = person.post(ADD, **form(url="https://other.example.com"))
    assert errors(other) == {"name": ["Another site has this name. Choose another one."]}


def test_the_sample_code_beside_the_secret_checks_signature_and_version() -> None:
    page = text(root().post(ADD, **form()))
    assert "new Webhook(process.env.SYNC_SECRET).verify(" in page
    assert "if (!held || version >= held.version) await db.save({ id, version," in page


def test_a_site_without_a_secret_says_that_nothing_can_be_sent(hrms: ConnectedSite) -> None:
    hrms.credentials.all().delete()
    person = root()
    assert "has no secret, so nothing can be sent to it" in text(person.get(f"{LIST}{hrms.pk}/change/"))
    assert "whsec_" in text(person.post(f"{LIST}{hrms.pk}/new-secret/", replaces=""))


def test_deleting_a_site_tells_first_that_its_users_stay_there(hrms: ConnectedSite) -> None:
    person = root()
    assert "the users that HRMS received stay there" in text(person.get(f"{LIST}{hrms.pk}/delete/"))
    person.post(f"{LIST}{hrms.pk}/delete/", post="yes")
    assert not ConnectedSite.objects.exists()
    assert not SiteCredential.objects.exists()


def test_who_may_only_look_gets_no_secret_and_changes_nothing(hrms: ConnectedSite) -> None:
    viewer, before = Person("sites.view_connectedsite"), secret_of(hrms)
    page = text(viewer.get(f"{LIST}{hrms.pk}/change/"))
    for word in ("Make a new secret", "Save", "Delete site", "Resume"):
        assert word not in page
    assert viewer.get(f"{LIST}{hrms.pk}/new-secret/").status_code == 403
    assert viewer.post(f"{LIST}{hrms.pk}/new-secret/", replaces=hrms.credentials.get().pk).status_code == 403
    assert viewer.post(f"{LIST}{hrms.pk}/delete/", post="yes").status_code == 403
    assert viewer.get(ADD).status_code == 403
    assert secret_of(hrms) == before
