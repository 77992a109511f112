"""Signatures, checked by the library that sites use, over exactly the bytes that are sent."""

import base64
import time
from dataclasses import replace

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from sync.connectors import CONNECTORS
from sync.connectors.rest import signing
from sync.connectors.target import Target, Unsendable
from sync.transport import HttpRequest, HttpResponse
from tests.sync.hinges import HINGES
from tests.sync.raw_server import RawServer, answering, ok
from tests.sync.targets import message, secret, target

rest = CONNECTORS["rest"]
AWKWARD = message(full_name='Zoë "Z." O\'Neill \\ 李 \U0001f600 </script> . \u2028 \t')


def verify(request: HttpRequest, key: str, body: bytes | None = None) -> None:
    """Raises WebhookVerificationError where the signature is wrong."""
    Webhook(key).verify(request.body if body is None else body, dict(request.headers))


@pytest.mark.parametrize("site", [target(), target(batch_size=5)], ids=["single", "batch"])
def test_the_bytes_that_are_sent_are_the_bytes_that_are_signed(site: Target) -> None:
    request = rest.build(site, [AWKWARD])
    verify(request, secret())
    with pytest.raises(WebhookVerificationError):
        verify(request, secret(), request.body + b" ")


@pytest.mark.parametrize("hinge", HINGES)
def test_they_arrive_unchanged(hinge: str) -> None:
    send = HINGES[hinge]()
    with RawServer(answering(ok())) as site:
        result = send(rest.build(target(url=site.url.removesuffix("/api/users/sync")), [AWKWARD]))
    send.close()
    assert isinstance(result, HttpResponse), result
    (received,) = site.requests
    Webhook(secret()).verify(received.body, received.headers)


def test_another_secret_another_id_and_another_time_do_not_verify() -> None:
    request = rest.build(target(), [message()])
    later = str(int(request.headers["webhook-timestamp"]) + 1)
    for key, changed in [(secret(2), {}), (secret(), {"webhook-id": "msg_1_6_0"}), (secret(), {"webhook-timestamp": later})]:
        with pytest.raises(WebhookVerificationError):
            verify(replace(request, headers={**request.headers, **changed}), key)


def test_two_secrets_give_two_signatures_each_of_which_is_enough() -> None:
    request = rest.build(target(secrets=(secret(2), secret(1))), [message()])
    signatures = request.headers["webhook-signature"].split(" ")
    assert len(signatures) == 2
    assert all(signature.startswith("v1,") for signature in signatures)
    verify(request, secret(1))
    verify(request, secret(2))
    with pytest.raises(WebhookVerificationError):
        verify(request, secret(3))


def test_the_newest_secret_signs_first() -> None:
    request = rest.build(target(secrets=(secret(2), secret(1))), [message()])
    first, _ = request.headers["webhook-signature"].split(" ")
    verify(replace(request, headers={**request.headers, "webhook-signature": first}), secret(2))


def test_the_timestamp_is_that_of_this_attempt_in_whole_seconds() -> None:
    before = int(time.time())
    request = rest.build(target(), [message()])
    assert before <= int(request.headers["webhook-timestamp"]) <= time.time()


def test_a_retry_has_the_same_id_and_a_forced_resend_another() -> None:
    first, again = (rest.build(target(), [message()]).headers["webhook-id"] for _ in range(2))
    forced = rest.build(target(), [message(message_id="msg_1_5_1")]).headers["webhook-id"]
    assert first == again
    assert first != forced


def test_a_site_without_a_secret_is_sent_nothing() -> None:
    with pytest.raises(Unsendable, match="HRMS has no signing secret: make one on the site's page"):
        rest.build(target(secrets=()), [message()])


@pytest.mark.parametrize("length", [24, 32, 63, 64, 65, 200])
def test_a_secret_of_any_length_signs_as_the_library_does(length: int) -> None:
    key = "whsec_" + base64.b64encode(bytes(range(length))).decode()
    verify(rest.build(target(secrets=(key,)), [AWKWARD]), key)


@pytest.mark.parametrize(
    "broken",
    ["whsec_", "", "whsec_not base64!", "whsec_@@@@", "whsec_====", "whsec_A", "whsec_abc-def_ghi", "hunter2 hunter2"]
    + ["whsec_\x00", "whsec_é", "whsec_QUJD\n"],
)
def test_a_broken_secret_is_named_and_not_shown_and_nothing_is_signed_with_what_is_left_of_it(broken: str) -> None:
    with pytest.raises(Unsendable, match="The signing secret of HRMS is not in base64: make a new one on the site's page") as raised:
        rest.build(target(secrets=(secret(), broken)), [message()])
    assert raised.value.__cause__ is None


def test_a_secret_without_padding_is_taken_as_the_library_takes_it() -> None:
    bare = "whsec_" + base64.b64encode(b"k" * 25).decode().rstrip("=")
    verify(rest.build(target(secrets=(bare,)), [message()]), bare)


def test_the_vector_of_the_protocol_s_document() -> None:
    body = (
        '{"id":"user_123","email":"ada@example.com","full_name":"Ada Lovelace","role":"admin","is_active":true,'
        '"action":"upsert","version":42,"updated_at":"2026-01-31T09:30:00+00:00"}'
    )
    key = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    signed = signing._signature(key, f"msg_7_42_0.1769851800.{body}".encode())
    assert signed == "v1,ktSSEBySxC6eTcFOcmxfrL/vrcLg/bbeOUk7wapCBE8="
