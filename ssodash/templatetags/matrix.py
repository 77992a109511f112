"""The parts of the dashboard that there are hundreds of on a page, where a template for each would cost more than all the rest of it.

Everything that is put between the tags here goes through `escape`.
"""

from collections.abc import Collection, Sequence
from html import escape
from urllib.parse import urlencode

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from sync.status import Row, SiteOverview, SiteStatus

register = template.Library()


@register.simple_tag
def cells(row: Row, may_sync: bool, sync_user_url: str) -> SafeString:
    """`{% cells row may_sync sync_user_url %}`: where a user stands at the site of each column, with a button that sends the user there
    again. Who has no button can put the focus on what needs attention, to read more of it."""
    # Outside of the f-string: a text within one is not found for the catalogs.
    owed = escape(_("Nothing is owed"))
    nothing = f'<td><span class="hub-status hub-is-none"><span class="hub-hidden">{owed}</span>–</span></td>'
    send = _("Send %(user)s again to %(site)s")
    who, user_id = row.full_name or row.email, escape(row.user_id)
    drawn = []
    for at in row.cells:
        if at is None:
            drawn.append(nothing)
            continue
        key = f"{row.dom_id}-{at.site_id}"
        button = ""
        if may_sync and at.look != "none":
            address = escape(f"{sync_user_url}?{urlencode({'site': at.site_name})}")
            button = (
                f'<button class="hub-icon-button hub-again" id="s-{key}" type="submit" form="hub-actions" formaction="{address}"'
                f' hx-post="{address}" name="user_id" value="{user_id}"'
                f' aria-label="{escape(send % {"user": who, "site": at.display_name})}">'
                '<span class="material-symbols-outlined" aria-hidden="true">refresh</span></button>'
            )
        drawn.append(_cell(key, at, button, can_focus=at.needs_attention and not may_sync))
    return SafeString("\n".join(drawn))


def _cell(key: str, at: SiteStatus, button: str, *, can_focus: bool) -> str:
    more = " hub-word-more" if at.needs_attention else ""
    focus = ' tabindex="0"' if can_focus else ""
    details = " ".join(f"<span>{escape(line)}</span>" for line in at.details)
    return (
        f'<td data-site="{escape(at.display_name)}"><span class="hub-cell-box">'
        f'<span class="hub-status hub-cell hub-is-{at.look}" id="{key}"{focus}>'
        f'<span class="material-symbols-outlined" aria-hidden="true">{at.symbol}</span>'
        f'<span class="hub-word{more}">{escape(at.label)}</span>\n<span class="hub-details">{details}</span></span>{button}</span></td>'
    )


@register.simple_tag
def site_boxes(active: Sequence[SiteOverview], chosen: Collection[str], prefix: str) -> SafeString:
    """`{% site_boxes active chosen prefix %}`: a box to tick for each site; `chosen` are the names of those that are ticked."""
    boxes = "\n".join(
        f'<li><label><input type="checkbox" name="site" value="{escape(overview.site.name)}" id="{prefix}-{overview.site.pk}"'
        f"{' checked' if overview.site.name in chosen else ''}> {escape(str(overview.site))}</label></li>"
        for overview in active
    )
    return SafeString(f'<ul class="hub-boxes">\n{boxes}\n</ul>')
