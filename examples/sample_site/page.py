"""The site's page: one self-contained document that refreshes itself. Everything that came from outside is escaped."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from html import escape
from typing import Protocol
from urllib.parse import quote

from .store import HeldUser, Holding

USERS_SHOWN = 100
REMOVED_SHOWN = 10
FRESH_FOR = 4.0  # seconds a changed row stays tinted
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"

HUES = {"hrms": 262, "cms": 172, "sales": 22, "garage": 212}


class Request(Protocol):
    """What the list of requests shows of each."""

    @property
    def at(self) -> float: ...
    @property
    def path(self) -> str: ...
    @property
    def status(self) -> int: ...
    @property
    def outcome(self) -> str: ...


def render(name: str, title: str, holding: Holding, requests: Sequence[Request], received: int, no_secret: str) -> str:
    """The whole page. `no_secret` is why nothing can be accepted at present, or empty."""
    now = time.time()
    hue = HUES.get(name, zlib.crc32(name.encode()) % 360)
    return (
        _PAGE.replace("{hue}", str(hue))
        .replace("{icon}", quote(_ICON.replace("{hue}", str(hue)).replace("{initial}", escape(title[:1].upper()))))
        .replace("{initial}", escape(title[:1].upper()))
        .replace("{title}", escape(title))
        .replace("{main}", _main(holding, requests, received, no_secret, now))
    )


def _main(holding: Holding, requests: Sequence[Request], received: int, no_secret: str, now: float) -> str:
    inactive = sum(not user.is_active for user in holding.users)
    latest = max((user.received_at for user in (*holding.users[:1], *holding.removed[:1])), default=None)
    figures = [
        ("users held", f"{len(holding.users):,}"),
        ("inactive", f"{inactive:,}"),
        ("removed, last 10 min", f"{len(holding.removed):,}"),
        ("requests since start", f"{received:,}"),
        ("last change", "none yet" if latest is None else _clock(latest)),
    ]
    tiles = "".join(f"<div class=tile><b>{value}</b><span>{label}</span></div>" for label, value in figures)
    warning = f"<p class=warning><b>Every message is refused.</b> {escape(no_secret[:1].upper() + no_secret[1:])}.</p>" if no_secret else ""
    return f"""{warning}<section class=tiles>{tiles}</section>
<div class=columns>
<section class=card><h2>Users <small>{_how_many(holding)}</small></h2>{_users_table(holding, now)}</section>
<section class=card><h2>Requests <small>last {len(requests)}</small></h2>{_request_list(requests)}</section>
</div>"""


def _how_many(holding: Holding) -> str:
    count = len(holding.users)
    return f"newest {USERS_SHOWN} of {count:,}" if count > USERS_SHOWN else "newest first"


def _users_table(holding: Holding, now: float) -> str:
    shown = [*holding.users[:USERS_SHOWN], *holding.removed[:REMOVED_SHOWN]]
    if not shown:
        return "<p class=empty>No users yet. They appear here as soon as the hub sends them.</p>"
    shown.sort(key=lambda user: user.received_at, reverse=True)
    rows = "".join(_user_row(user, now) for user in shown)
    head = "<tr><th>Email<th>Full name<th>Role<th>State<th>Version<th>Changed</tr>"
    return f"<div class=scroll><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def _user_row(user: HeldUser, now: float) -> str:
    if user.removed_at is not None:
        state = "<span class='pill gone'>removed</span>"
    else:
        state = "<span class='pill on'>active</span>" if user.is_active else "<span class='pill off'>inactive</span>"
    marks = ["removed"] * (user.removed_at is not None) + ["fresh"] * (now - user.received_at < FRESH_FOR)
    email = escape(user.email) or "<i>now another user's</i>"
    return (
        f"<tr class='{' '.join(marks)}'><td class=was>{email}<td class=was>{escape(user.full_name)}<td class=was>{escape(user.role)}"
        f"<td>{state}<td class=number title='{escape(user.id)}'>{user.version}<td class=number>{_clock(user.received_at)}</tr>"
    )


def _request_list(requests: Sequence[Request]) -> str:
    if not requests:
        return "<p class=empty>None yet.</p>"
    items = []
    for request in requests:
        kind = "ok" if request.status < 300 else "bad"
        items.append(
            f"<li><span class='code {kind}'>{request.status}</span><div><p>{escape(request.outcome)}</p>"
            f"<small>{_clock(request.at)} · POST {escape(request.path)}</small></div></li>"
        )
    return f"<ol>{''.join(items)}</ol>"


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


_ICON = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><rect width='32' height='32' rx='8' fill='hsl({hue} 55% 42%)'/>"
    "<text x='16' y='23' font-family='sans-serif' font-size='19' font-weight='700' fill='white' text-anchor='middle'>{initial}</text></svg>"
)

_PAGE = """<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<title>{title} · sample site</title>
<link rel=icon href="data:image/svg+xml,{icon}">
<noscript><meta http-equiv=refresh content=2></noscript>
<style>
:root { color-scheme: light dark; --hue: {hue};
  --brand: hsl(var(--hue) 58% 34%); --deep: hsl(var(--hue) 60% 24%); --tint: hsl(var(--hue) 80% 96%);
  --page: #f5f6f8; --card: #fff; --ink: #1c2330; --soft: #5d6778; --line: #e4e7ec; --ok: #12734a; --ok-back: #e2f5ea;
  --bad: #ab1f24; --bad-back: #fdeaea; --off: #7a5200; --off-back: #fdf1d6; --gone-back: #eceef2; }
@media (prefers-color-scheme: dark) { :root {
  --tint: hsl(var(--hue) 30% 20%); --page: #12151b; --card: #1b2029; --ink: #e8ebf0; --soft: #9aa4b5; --line: #2c333f;
  --ok: #7fe0b0; --ok-back: #143627; --bad: #ff9da0; --bad-back: #42191b; --off: #f3cd7c; --off-back: #3b2d0d; --gone-back: #2a303b; } }
* { box-sizing: border-box; margin: 0 }
body { font: 14px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; background: var(--page); color: var(--ink) }
header { background: linear-gradient(120deg, var(--deep), var(--brand)); color: #fff }
header > div, main { max-width: 1320px; margin: 0 auto; padding: 0 24px }
header > div { display: flex; align-items: center; gap: 16px; padding-top: 20px; padding-bottom: 20px }
.badge { width: 46px; height: 46px; border-radius: 13px; background: #fff; color: var(--brand); flex: none;
  font: 700 24px/46px system-ui, sans-serif; text-align: center }
h1 { font-size: 22px; line-height: 1.2 }
header p { opacity: .85 }
#live { margin-left: auto; display: flex; align-items: center; gap: 8px; padding: 5px 13px; border-radius: 99px;
  background: #ffffff26; white-space: nowrap }
#live::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: #7df0b4 }
#live.lost::before { background: #ff9a9a }
main { padding-top: 20px; padding-bottom: 40px }
.warning { background: var(--bad-back); color: var(--bad); padding: 12px 16px; border-radius: 10px; margin-bottom: 16px }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-bottom: 16px }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px }
.tile { padding: 12px 16px }
.card { overflow: hidden }
.tile b { display: block; font-size: 23px; line-height: 1.3; font-variant-numeric: tabular-nums }
.tile span, small, .empty { color: var(--soft) }
.tile:first-child b { color: hsl(var(--hue) 55% 45%) }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 340px); gap: 16px; align-items: start }
@media (max-width: 1000px) { .columns { grid-template-columns: minmax(0, 1fr) } }
h2 { font-size: 15px; padding: 13px 16px; border-bottom: 1px solid var(--line) }
h2 small { font-weight: 400; margin-left: 6px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th { text-align: left; font-size: 12px; font-weight: 600; color: var(--soft); padding: 8px 10px }
td { padding: 8px 10px; border-top: 1px solid var(--line); white-space: nowrap; max-width: 190px; overflow: hidden;
  text-overflow: ellipsis }
th:first-child, td:first-child { padding-left: 16px; max-width: 290px }
tr.fresh td { background: var(--tint) }
tr.removed .was { text-decoration: line-through; color: var(--soft) }
.number { color: var(--soft); font-variant-numeric: tabular-nums }
.pill { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12px; font-weight: 600 }
.on, .ok { background: var(--ok-back); color: var(--ok) }
.off { background: var(--off-back); color: var(--off) }
.gone { background: var(--gone-back); color: var(--soft) }
.bad { background: var(--bad-back); color: var(--bad) }
.empty { padding: 24px 16px }
ol { list-style: none; padding: 0 }
li { display: flex; gap: 10px; padding: 8px 16px; border-top: 1px solid var(--line) }
li:first-child { border-top: 0 }
li div { min-width: 0; overflow-wrap: anywhere }
li small { font-size: 12px }
.code { flex: none; align-self: start; padding: 1px 8px; border-radius: 7px; font-size: 12px; font-weight: 600 }
</style>
</head>
<body>
<header><div>
<div class=badge aria-hidden=true>{initial}</div>
<div><h1>{title}</h1><p>A sample site: these are the users it was sent.</p></div>
<span id=live role=status>live</span>
</div></header>
<main>{main}</main>
<script>
const main = document.querySelector("main"), live = document.getElementById("live");
let last = "";
async function refresh() {
  if (document.hidden) return;
  try {
    const text = await (await fetch("/", { signal: AbortSignal.timeout(5000) })).text();
    if (text !== last) main.innerHTML = new DOMParser().parseFromString(text, "text/html").querySelector("main").innerHTML;
    last = text; live.textContent = "live"; live.className = "";
  } catch { live.textContent = "not answering"; live.className = "lost"; }
}
setInterval(refresh, 2000);
document.addEventListener("visibilitychange", refresh);
</script>
</body>
</html>
"""
