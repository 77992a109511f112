"""What our templates need beyond Django's own tags."""

import re
from datetime import datetime

from django import template
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString

from sync import status

register = template.Library()


@register.simple_tag
def moment(at: datetime | None) -> str:
    """`{% moment x %}`: how long ago or in how long, the exact time on hover. `never` for None."""
    return status.ago(None) if at is None else status.time_element(at)


@register.filter
def with_code(text: object) -> SafeString:
    """`{{ x|with_code }}`: what stands between backticks as code, everything escaped."""
    return SafeString(re.sub(r"`([^`]+)`", r"<code>\1</code>", conditional_escape(str(text))))
