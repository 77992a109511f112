"""Characters that no name, role or email may have: those nobody sees, which make a text read as another one. Pure."""

import re

from django.utils.translation import gettext as _

UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters, those that turn the direction of the text around, byte order marks, and halves of surrogate pairs.

Joiners (U+200C, U+200D) are not among them: names in Persian and in Indian scripts are written with them.
"""


def fault(text: str) -> str:
    """What is wrong with this text, with the remedy; empty where all of it can be seen."""
    found = None if text.isprintable() else UNSEEN.search(text)
    if found is None:
        return ""
    code = f"U+{ord(found.group()):04X}"
    return _("It has a character that cannot be seen (%(code)s). Clear the field and type the text anew.") % {"code": code}
