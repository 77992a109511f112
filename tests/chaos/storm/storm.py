"""The storm itself: edits without a pause, processes killed at random moments, then calm, and the reckoning."""

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.storm.database import Console, api_token, connect_site, new_secret
from tests.chaos.storm.editors import ApiEditor, Editors, SqlEditor
from tests.chaos.storm.hub import Hub, Program
from tests.chaos.storm.reckoning import Reckoning, is_quiet, reckon
from tests.chaos.storm.sites import Site, SiteHost, well
from tests.chaos.storm.weather import failing, forgetful, slow

START_WITHIN = 90
AT_WORK = 0.75
"""The share of the kills that hit a program that works. The others may hit one while it starts."""
FIRST_PEOPLE = """
insert into user_profiles (user_id, email, full_name)
select 'user_' || lpad(n::text, 3, '0'), 'mail' || lpad(n::text, 3, '0') || '@example.com', 'First' from generate_series(0, 79) n
"""


@dataclass(frozen=True)
class Form:
    """How long a storm is. It ends by itself: after so many kills, and at most so many seconds of calm."""

    kills: int
    between: tuple[float, float]
    """Seconds that a victim lives on, at random."""
    workers: int
    web: int
    waits_for_leases: bool
    """Whether the calm lasts until every lease that a killed process held has expired, or the clock is put forward once nobody lives."""
    calm_within: float


SHORT = Form(kills=6, between=(0.2, 1.5), workers=2, web=2, waits_for_leases=False, calm_within=60)
FULL = Form(kills=100, between=(0.0, 2.5), workers=2, web=2, waits_for_leases=True, calm_within=150)


@dataclass
class Told:
    """What happened."""

    kills: Counter[str]
    edits: Counter[str]
    cut: int
    seconds: float
    calm: float
    reckoning: Reckoning
    output: str
    """The last lines of every program."""

    def __str__(self) -> str:
        found = self.reckoning
        outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in found.log.most_common())
        kills = " and ".join(f"{number} of {kind}" for kind, number in sorted(self.kills.items()))
        return (
            f"kill -9: {self.kills.total()} ({kills})\n"
            f"edits: {self.edits.total():,} ({', '.join(f'{n:,} {kind}' for kind, n in self.edits.most_common())}); "
            f"{self.cut} more ended with their server\n"
            f"requests: {found.requests:,}; messages that arrived more than once: {found.twice}\n"
            f"attempts in the log: {found.log.total():,} ({outcomes})\n"
            f"{found.verdict}; {self.seconds:.0f} s, of which {self.calm:.0f} s until all was settled"
        )


def open_sites(host: SiteHost, seed: str) -> list[Site]:
    """Six sites: careful and blind ones, one that takes batches, one of a role, and three in bad weather."""
    chance = random.Random(f"{seed} sites")
    sites = [
        Site("careful", new_secret()),
        Site("blind", new_secret(), careful=False),
        Site("batches", new_secret(), batch_size=20, behaviour=slow(chance, 0.4)),
        Site("managers", new_secret(), roles=["manager", "staff"], behaviour=slow(chance, 0.2)),
        Site("failing", new_secret(), careful=False, behaviour=failing(chance, 0.05)),
        Site("forgetful", new_secret(), behaviour=forgetful(chance, 0.05)),
    ]
    return [host.open(site) for site in sites]


def storm(url: str, folder: Path, form: Form, seed: str) -> Told:
    """Runs it on this empty database. Raises nothing for what it finds: that is in the reckoning."""
    started = time.monotonic()
    console = Console(url)
    with SiteHost() as host:
        sites = open_sites(host, seed)
        for site in sites:
            connect_site(console, site)
        console.execute(FIRST_PEOPLE)
        with Hub(url, folder, workers=form.workers, web=form.web) as hub:
            hub.eventually(lambda: hub.ready, START_WITHIN, "The hub did not start")
            token = api_token(console)
            callers = [ApiEditor(number, seed, hub.web, token, pause=0.03) for number in range(4)]
            editors = Editors([*callers, *(SqlEditor(number, seed, url, pause=0.1) for number in range(2))])
            with editors:
                kills = _kill_again_and_again(hub, form, random.Random(f"{seed} killer"))
            since = time.monotonic()
            for site in sites:
                site.behaviour = well
            if not form.waits_for_leases:
                hub.kill()
                # Nobody lives who holds a lease: the clock may go on.
                console.execute("update user_sync_lease set until = now()")
                console.execute("update user_sync_run set lease_until = now() where lease_until is not null")
            hub.start()
            _wait_for_calm(console, form)
            calm = time.monotonic() - since
        found = reckon(console, sites)
    console.close()
    return Told(kills, editors.edits, editors.broken, time.monotonic() - started, calm, found, hub.output)


def _kill_again_and_again(hub: Hub, form: Form, chance: random.Random) -> Counter[str]:
    kills: Counter[str] = Counter()
    while kills.total() < form.kills:
        victim = _victim(hub, chance)
        time.sleep(chance.uniform(*form.between))
        if not victim.running:
            raise AssertionError(f"{victim.name} ended by itself:\n{victim.output[-3000:]}")
        victim.kill()
        kills[f"{victim.kind}s" if victim.kind == "worker" else "web servers"] += 1
        victim.start()
    return kills


def _victim(hub: Hub, chance: random.Random) -> Program:
    """Mostly one that works; now and then any, which may be starting."""
    if chance.random() >= AT_WORK:
        return chance.choice(hub.programs)
    hub.eventually(lambda: any(program.ready for program in hub.programs), START_WITHIN, "Nothing works any more")
    return chance.choice([program for program in hub.programs if program.ready] or hub.programs)


def _wait_for_calm(console: Console, form: Form) -> None:
    ends = time.monotonic() + form.calm_within
    while not is_quiet(console) and time.monotonic() < ends:
        # Leases are waited for; a wait of minutes after a second failed try is not.
        console.execute(
            "update user_sync_delivery set next_attempt_at = now() where status = 'pending' and next_attempt_at > now() + interval '10 s'"
        )
        console.execute("update user_sync_site_health set next_probe_at = now() where next_probe_at > now() + interval '10 s'")
        time.sleep(0.25)
