"""Characters that nobody sees: forms, import, API and model refuse them, and what comes in by SQL is shown without them."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection

from tests.api import error_of, with_token
from tests.pages import errors, root, text
from users import plain_text
from users.models import UserProfile

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/users/userprofile/"
EVIL = "Ada \u202elive\u0007"
SAID = "It has a character that cannot be seen (U+202E). Clear the field and type the text anew."


@pytest.mark.parametrize("name", ["Ada Lovelace", "Дарья", "李小龍", "می\u200cخواهم", "Zoë  O’Neill\n", "क्‍ष", "👩\u200d💻"])
def test_names_of_all_scripts_are_taken(name: str) -> None:
    assert plain_text.fault(name) == ""


@pytest.mark.parametrize("code", [0, 7, 0x1B, 0x7F, 0x85, 0x200F, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF])
def test_a_character_that_nobody_sees_is_named(code: int) -> None:
    assert f"(U+{code:04X})" in plain_text.fault(f"Ada{chr(code)}Lovelace")


def test_the_form_names_the_field_and_the_remedy() -> None:
    given = {"email": "ada@example.com", "full_name": EVIL, "role": "staff", "is_active": "on", "user_id": ""}
    page = root().post(f"{LIST}add/", **given)
    assert errors(page) == {"full_name": [SAID]}
    assert SAID in text(page)
    assert not UserProfile.objects.exists()


def test_the_model_refuses_them_in_name_email_and_role() -> None:
    user = UserProfile(email="ada@exa\u202emple.com", full_name=EVIL, role="us\u2066er")
    with pytest.raises(ValidationError) as refused:
        user.full_clean()
    assert {"email", "full_name", "role"} <= set(refused.value.message_dict)
    assert refused.value.message_dict["full_name"] == [SAID]


def test_the_api_refuses_them_and_still_deactivates_a_user_who_came_by_sql() -> None:
    api = with_token()
    assert error_of(api.post("/api/users", {"email": "ada@example.com", "fullName": EVIL}), 422) == f"fullName: {SAID}"
    UserProfile.objects.create(user_id="user_1", email="ada@example.com", full_name=EVIL)
    changed = api.patch("/api/users/user_1", {"isActive": False})
    assert changed.status_code == 200
    assert UserProfile.objects.get().is_active is False
    assert SAID in error_of(api.patch("/api/users/user_1", {"fullName": f"{EVIL}!"}), 422)


@pytest.mark.parametrize("path", ["/admin/", LIST, f"{LIST}{{key}}/change/", "/admin/sync/usersynclog/"])
def test_what_comes_in_by_sql_is_shown_in_its_true_order(path: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into user_profiles (user_id, email, full_name) values ('user_1', %s, %s)",
            ["ada@\u2066example.com", f"{EVIL}\u009b – “Ada”"],
        )
        cursor.execute(
            "insert into user_sync_log (user_id, email, site_id, site_name, type, status, outcome, error, cause, actor, message_id, "
            "attempt_id, version, generation, attributes, response, started_at, completed_at) select 'user_1', %s, 1, 'hrms', 'upsert', "
            "'failed', 'permanent', '', 'save', '', 'm', gen_random_uuid(), 1, 0, '{}', '', now(), now()",
            ["a\u202eb@example.com"],
        )
    page = root().get(path.format(key=UserProfile.objects.get().pk))
    body = page.content.decode()
    assert page.status_code == 200
    assert not any(evil in body for evil in "\u202e\u2066\u0007\u009b")
    if path.endswith("log/"):
        assert "ab@example.com" in text(page)
    else:
        assert "Ada live – “Ada”" in text(page) or 'value="Ada live – “Ada”"' in body
