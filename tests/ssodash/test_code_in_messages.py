"""Messages name commands between backticks, which a person sees as code."""

import pytest
from django.template.loader import render_to_string
from django.utils.html import format_html

from tests.pages import root
from tests.sync.conftest import user


@pytest.mark.parametrize("template", ["shell/alert.html", "dashboard/said.html"])
def test_a_command_in_a_message_is_shown_as_code_and_all_else_as_it_is(template: str) -> None:
    words = "Start `manage.py sync_worker`, <b>now</b>."
    shown = render_to_string(template, {"message": words, "said": words})
    assert "Start <code>manage.py sync_worker</code>, &lt;b&gt;now&lt;/b&gt;." in shown


@pytest.mark.django_db(transaction=True)
def test_a_link_in_a_message_of_the_admin_stays_a_link() -> None:
    ann = user()
    page = (
        root()
        .post(f"/admin/users/userprofile/{ann.pk}/change/", email=ann.email, full_name="Ann", role=ann.role, is_active="on", _continue="1")
        .content.decode()
    )
    assert format_html('<a href="/admin/users/userprofile/{}/change/">', ann.pk) in page.split("hub-messages", 1)[1]
