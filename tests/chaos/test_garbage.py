"""Sites that answer garbage, all at the same time, through one worker: every delivery ends where the table in docs/protocol.md says."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.storm.database import Console, connect_site, new_secret
from tests.chaos.storm.garbage import (
    NOISE,
    cut_short,
    dripping,
    every_second_time,
    half_answered,
    muddled,
    resetting,
    saying,
    small_batches,
)
from tests.chaos.storm.hub import Hub
from tests.chaos.storm.sites import Behaviour, Site, SiteHost, hanging, response, well

Eventually = Callable[..., object]
Tell = Callable[[str], None]
PAGE = b"<!doctype html><title>Sign in</title>"
LARGE = b'{"success": true, "padding": "' + b"x" * 70_000 + b'"}'


@dataclass(frozen=True)
class Case:
    """How a site answers, and what the first attempt at each of its three users must come to."""

    behaviour: Behaviour
    outcome: str
    says: str
    code: int | None = None
    batch_size: int = 1


def status(line: str, headers: str = "") -> Behaviour:
    return saying(response({"error": "because"}, line, headers))


RESULTS = response({"results": [{"id": f"user_{n}", "success": True} for n in range(3)]})
CASES = {
    "well": Case(well, "delivered", "", 200),
    "empty": Case(saying(b"HTTP/1.1 204 No Content\r\n\r\n"), "delivered", "", 204),
    "noise": Case(saying(NOISE, then_hang_up=True), "transient", ""),
    "noise-in-200": Case(saying(response(NOISE)), "site_broken", "without a JSON object", 200),
    "login-page": Case(saying(response(PAGE)), "site_broken", "a login page?", 200),
    "a-list": Case(saying(response([])), "site_broken", "without a JSON object", 200),
    "large": Case(saying(response(LARGE)), "site_broken", "more than 64 kB", 200),
    "redirect": Case(status("302 Found", "Location: https://elsewhere.example/\r\n"), "site_broken", "https://elsewhere.example/", 302),
    "forbidden": Case(status("403 Forbidden"), "site_broken", "forbids", 403),
    "nowhere": Case(status("404 Not Found"), "site_broken", "nothing at this path", 404),
    "refuses": Case(saying(response({"success": False, "error": "no such team"})), "permanent", "no such team", 200),
    "unprocessable": Case(status("422 Unprocessable Content"), "permanent", "because", 422),
    "too-early": Case(status("425 Too Early"), "transient", "HTTP 425", 425),
    "fails": Case(status("500 Internal Server Error"), "transient", "HTTP 500", 500),
    "half-the-time": Case(every_second_time(), "transient", "HTTP 500", 500),
    "throttles": Case(status("429 Too Many Requests", "Retry-After: 600\r\n"), "throttled", "wait 600 s", 429),
    "busy": Case(status("503 Service Unavailable", "Retry-After: 600\r\n"), "throttled", "wait 600 s", 503),
    "reset": Case(resetting, "transient", ""),
    "drip": Case(dripping, "transient", "No complete answer within"),
    "hang": Case(hanging, "transient", "No complete answer within"),
    "cut-short": Case(saying(cut_short(response({"success": True}), 5), then_hang_up=True), "transient", ""),
    "promises-more": Case(saying(cut_short(response({"success": True}), 5)), "transient", "No complete answer within"),
    "batch-muddled": Case(muddled, "delivered permanent", "no such team", 200, batch_size=10),
    "batch-half": Case(half_answered, "delivered transient", "says", 200, batch_size=10),
    "batch-cut-short": Case(saying(cut_short(RESULTS, 40), then_hang_up=True), "transient", "", batch_size=10),
    "batch-no-list": Case(saying(response({"success": True})), "site_broken", 'no list "results"', 200, batch_size=10),
    "batch-too-large": Case(small_batches(1), "throttled", "sent again in smaller ones", 413, batch_size=10),
}
FAILED = {"refuses", "unprocessable"}
"""Where a person has to change something: no time and no mended site brings these there."""


FIRST = """
select s.name, l.user_id, l.outcome, coalesce(l.http_code, 0), l.error
from (select distinct on (site_name, user_id) * from user_sync_log order by site_name, user_id, id) l
join connected_sites s on s.name = l.site_name
"""
UNSENT = """
select s.name, u.user_id, d.status, extract(epoch from d.next_attempt_at - now())::int, h.quarantined_at, h.quarantine_reason
from connected_sites s cross join user_profiles u left join user_sync_delivery d on d.site_id = s.id and d.user_id = u.user_id
left join user_sync_site_health h on h.site_id = s.id
where (s.name, u.user_id) not in (select site_name, user_id from user_sync_log)
"""
THREE = """
insert into user_profiles (user_id, email, full_name) select 'user_' || n, n || '@example.com', 'U' from generate_series(0, 2) n
"""


def test_every_delivery_to_a_site_that_answers_garbage_ends_where_the_table_says(
    own_database: str, tmp_path: Path, host: SiteHost, eventually: Eventually, tell: Tell
) -> None:
    console = Console(own_database)
    sites = {}
    for name, case in CASES.items():
        sites[name] = host.open(Site(name, new_secret(), behaviour=case.behaviour, batch_size=case.batch_size))
        connect_site(console, sites[name], timeout=2)
    with Hub(own_database, tmp_path) as hub:
        console.execute(THREE)
        hub.eventually(lambda: _none(console.execute(UNSENT)), 60, "Some were not sent")
        wrong = _differing(console)
        assert wrong == [], "\n".join(wrong)
        _the_sites_are_mended(console, sites, eventually)
        requests = sum(site.requests for site in sites.values())
        tell(f"garbage: {len(CASES)} sites, {requests} requests, {console.value('select count(*) from user_sync_log')} attempts in the log")
        assert hub.workers[0].stop() < 10
    console.close()


def _none(unsent: list[tuple[Any, ...]]) -> bool:
    assert unsent == []
    return True


def _differing(console: Console) -> list[str]:
    found = []
    for name, user_id, outcome, code, error in console.execute(FIRST):
        case = CASES[name]
        as_told = outcome in case.outcome.split() and (code == (case.code or 0))
        if not as_told or (outcome == case.outcome and case.says not in error):
            found.append(f"{name}, {user_id}: {outcome} {code} {error!r}; to come to {case.outcome} {case.code} {case.says!r}")
    return found


def _the_sites_are_mended(console: Console, sites: dict[str, Site], eventually: Eventually) -> None:
    """Now every site is well, and the time of every next try and probe comes: all is delivered but what a person has to see to."""
    for site in sites.values():
        site.behaviour = well

    def all_settled() -> bool:
        console.execute("update user_sync_delivery set next_attempt_at = now() where status = 'pending'")
        console.execute("update user_sync_site_health set next_probe_at = now(), throttled_until = null where throttled_until is not null")
        console.execute("update user_sync_site_health set next_probe_at = now() where quarantined_at is not null")
        return bool(console.value("select count(*) from user_sync_status where sync_status not in ('success', 'failed')") == 0)

    eventually(all_settled, 60, pause=0.3)
    failed = set(console.execute("select site_name, user_id from user_sync_status where sync_status = 'failed'"))
    assert failed == {(name, f"user_{n}") for name in FAILED for n in range(3)} | {("batch-muddled", "user_1")}
    console.execute("update user_profiles set full_name = 'Changed'")
    eventually(lambda: console.value("select count(*) from user_sync_status where sync_status <> 'success'") == 0, 60)
    for site in sites.values():
        assert {name for _, name, _ in site.users.values()} == {"Changed"}, site.name
