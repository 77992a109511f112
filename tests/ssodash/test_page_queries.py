"""No page costs more than 15 queries, and none costs more when there is more to show."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.conftest import EMPTY
from tests.e2e.pages import PAGES
from tests.gallery import Gallery
from tests.pages import Person

pytestmark = pytest.mark.django_db(transaction=True)

MOST = 15
BRACKETS = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
SIZES = ((10, 4), (150, 24))


def queries_of_every_page(users: int, sites: int) -> dict[str, list[str]]:
    gallery = Gallery.fill(users, sites, users * 3)
    person = Person.of(gallery.login)
    found = {}
    for name, path in PAGES.items():
        address = path.format_map(vars(gallery))
        answer = person.get(address)  # what is read once a process (content types) is not the page's
        assert answer.status_code == (404 if name == "nothing here" else 200), f"{name}: {answer.status_code}"
        with CaptureQueriesContext(connection) as captured:
            person.get(address)
        found[name] = [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(BRACKETS)]
    return found


def test_no_page_needs_more_than_15_queries_at_any_size() -> None:
    few = queries_of_every_page(*SIZES[0])
    with connection.cursor() as cursor:
        cursor.execute(EMPTY)
    many = queries_of_every_page(*SIZES[1])
    counts = {name: (len(few[name]), len(many[name])) for name in PAGES}
    assert {name: both for name, both in counts.items() if max(both) > MOST} == {}
    # A page may skip a question at one size (is there a next page?), but none is asked once a user or once a site.
    assert {name: both for name, both in counts.items() if abs(both[0] - both[1]) > 2} == {}
