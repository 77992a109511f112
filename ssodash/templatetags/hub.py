"""What our templates need beyond Django's own tags."""

from datetime import datetime

from django import template

from sync import status

register = template.Library()


@register.simple_tag
def moment(at: datetime | None) -> str:
    """`{% moment x %}`: how long ago or in how long, the exact time on hover. `never` for None."""
    return status.ago(None) if at is None else status.time_element(at)
