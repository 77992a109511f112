"""No page carries characters that turn the direction of text around or drive a device, whoever wrote them, and however they came in.

Forms, import and API refuse them; a SQL console does not.
"""

import re

from django.http import HttpRequest, HttpResponse

from ssodash.errors import GetResponse

CONTROLS = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
UNFIT = [re.compile(pattern) for pattern in (rb"\xc2[\x80-\x9f]", rb"\xe2\x80[\xaa-\xae]", rb"\xe2\x81[\xa6-\xa9]")]
"""In UTF-8: the other control characters, and the embeddings, overrides and isolates of Unicode's bidi algorithm.

Apart from each other each is looked for by its first bytes, which costs a large page two milliseconds instead of twenty.
"""


class HarmlessTextMiddleware:
    """Takes them out of HTML. What programs read (JSON, CSV) stays as it is stored."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if not response.streaming and response.headers.get("Content-Type", "").startswith("text/html"):
            content = response.content
            harmless = content.translate(None, CONTROLS)
            for pattern in UNFIT:
                harmless = pattern.sub(b"", harmless)
            if len(harmless) != len(content):
                response.content = harmless
        return response
