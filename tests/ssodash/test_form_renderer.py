"""A checkbox that is drawn without a template is the one that Django's template draws."""

from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy, override
from unfold.widgets import UnfoldBooleanWidget

from ssodash.form_renderer import QuickCheckboxes


def test_a_checkbox_is_drawn_as_django_draws_it() -> None:
    for widget in (
        forms.CheckboxInput(),
        forms.CheckboxInput({"class": "a b", "disabled": True, "hidden": False, "data-n": 3}),
        UnfoldBooleanWidget({"aria-label": lazystr('Select "all" <users> & sites'), "id": "it's"}),
    ):
        for value in (None, False, True, "user_1", 7, "<b>\"&'", "x" * 5_000):
            drawn = widget.render("_selected", value, renderer=QuickCheckboxes())
            assert drawn == widget.render("_selected", value, renderer=DjangoTemplates())


def test_what_is_translated_is_drawn_in_each_language() -> None:
    widget = forms.CheckboxInput({"aria-label": gettext_lazy("Users")})
    with override("en"):
        assert 'aria-label="Users"' in widget.render("all", False, renderer=QuickCheckboxes())
    with override("de"):
        assert 'aria-label="Benutzer"' in widget.render("all", False, renderer=QuickCheckboxes())


def test_other_fields_are_still_drawn_by_their_templates() -> None:
    widget = forms.TextInput({"class": "a"})
    assert widget.render("name", "<b>", renderer=QuickCheckboxes()) == widget.render("name", "<b>", renderer=DjangoTemplates())
