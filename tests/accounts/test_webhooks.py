"""Webhooks: signed, tried again, sent once more, switched off; and never into somebody's private network."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from accounts import calling
from accounts.calling import Answer, GuardedCaller
from accounts.domain import webhooks as rules
from accounts.domain.addresses import AddressError, is_allowed, networks_of, target_of
from accounts.models import AuditEntry, OutboxEvent, OutgoingMail, Webhook, WebhookDelivery
from accounts.services.deliver_webhooks import conclude, deliver_webhooks, fan_out, forget_old_events
from accounts.services.outbox import tell
from accounts.services.outgoing_mail import send_mails
from tests.accounts.conftest import House
from tests.accounts.receiver import Receiver, receiving

PATH = "organizations/acme/webhooks"
INSIDE = (
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "127.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "::1",
    "fe80::1",
    "fc00::1",
)
LOOPBACK = networks_of("127.0.0.0/8")


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"webhook_networks": "127.0.0.0/8"})
    with receiving() as running:
        yield running


def made(house: House, url: str, *events: str) -> tuple[Webhook, str]:
    answer = house.ask("owner", "POST", PATH, {"url": url, "events": list(events or ["order.paid"])})
    assert answer.status_code == 201, answer.content
    return Webhook.objects.get(pk=answer.json()["id"]), answer.json()["secret"]


def told(house: House, kind: str = "order.paid", **data: Any) -> OutboxEvent:
    with transaction.atomic():
        (event,) = tell(kind, [house.acme.pk], data or {"order": "KO-1"})
    return event


def due() -> None:
    WebhookDelivery.objects.update(not_before=timezone.now() - timedelta(seconds=1))


def is_signed_by(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver would check it, from the words of the specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return wanted in headers["webhook-signature"].split(" ")


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks libraries' own tests."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = rules.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_event_arrives_signed_with_what_happened(house: House, receiver: Receiver) -> None:
    hook, secret = made(house, receiver.url)
    event = told(house, order="KO-7")
    assert deliver_webhooks() == 1
    ((headers, body),) = receiver.got
    assert is_signed_by(secret, headers, body)
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    assert headers["webhook-id"] == f"msg_{event.pk.hex}"
    assert json.loads(body) == {"type": "order.paid", "timestamp": event.at.isoformat(), "data": {"order": "KO-7"}}
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.last_status, row.lease_token) == ("delivered", 1, 200, None)
    assert deliver_webhooks() == 0
    assert secret not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))
    hook.refresh_from_db()
    assert secret not in hook.sealed_secret


def test_only_who_wants_the_event_gets_it(house: House, receiver: Receiver) -> None:
    made(house, receiver.url, "review.posted")
    off, _secret = made(house, receiver.url)
    house.ask("owner", "PATCH", f"{PATH}/{off.pk}", {"is_active": False})
    told(house)
    with transaction.atomic():
        tell("review.posted", [house.globex.pk], {"stars": 5})
    assert deliver_webhooks() == 0
    assert (WebhookDelivery.objects.count(), receiver.got) == (0, [])
    assert OutboxEvent.objects.filter(fanned_out_at__isnull=True).count() == 0


def test_what_is_rolled_back_is_told_to_nobody(house: House, receiver: Receiver) -> None:
    made(house, receiver.url)
    with transaction.atomic():
        tell("order.paid", [house.acme.pk], {})
        transaction.set_rollback(True)
    assert (deliver_webhooks(), OutboxEvent.objects.count()) == (0, 0)


def test_a_failed_delivery_is_tried_again_under_the_same_id_until_it_arrives(house: House, receiver: Receiver) -> None:
    hook, secret = made(house, receiver.url)
    told(house)
    receiver.status = 503
    before = timezone.now()
    assert deliver_webhooks() == 1
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.last_status, row.last_trouble) == ("waiting", 1, 503, "status")
    assert before + timedelta(seconds=3) < row.not_before < timezone.now() + timedelta(seconds=7)
    WebhookDelivery.objects.update(not_before=before + timedelta(hours=1))
    assert deliver_webhooks() == 0
    due()
    receiver.status = 204
    assert deliver_webhooks() == 1
    row.refresh_from_db()
    hook.refresh_from_db()
    assert (row.state, row.attempts, hook.failures) == ("delivered", 2, 0)
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
    assert all(is_signed_by(secret, headers, body) for headers, body in receiver.got)


def test_it_is_given_up_after_the_last_attempt_and_sent_again_on_request(house: House, receiver: Receiver) -> None:
    hook, _secret = made(house, receiver.url)
    told(house)
    receiver.status = 500
    for _turn in range(rules.ATTEMPTS_MAX):
        assert deliver_webhooks() == 1
        due()
    assert deliver_webhooks() == 0
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts) == ("given_up", rules.ATTEMPTS_MAX)
    receiver.status = 200
    again = house.ask("owner", "POST", f"{PATH}/{hook.pk}/deliveries/{row.pk}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    assert deliver_webhooks() == 1
    row.refresh_from_db()
    assert (row.state, receiver.got[0][0]["webhook-id"]) == ("delivered", receiver.got[-1][0]["webhook-id"])


def test_after_many_failures_it_is_switched_off_and_its_owners_are_told(house: House, receiver: Receiver) -> None:
    hook, _secret = made(house, receiver.url)
    Webhook.objects.update(failures=rules.FAILURES_MAX - 1)
    told(house)
    receiver.status = 500
    deliver_webhooks()
    hook.refresh_from_db()
    assert (hook.is_active, hook.disabled_reason) == (False, "failures")
    assert AuditEntry.objects.filter(action="webhook.disable").count() == 1
    (letter,) = OutgoingMail.objects.all()
    assert letter.to == house.people["owner"].email
    assert send_mails() == 1
    assert receiver.url in mail.outbox[0].body
    letter.refresh_from_db()
    assert (letter.body, letter.sent_at is not None, send_mails()) == ("", True, 0)
    due()
    assert deliver_webhooks() == 0
    refused = house.ask("owner", "POST", f"{PATH}/{hook.pk}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    receiver.status = 200
    house.ask("owner", "PATCH", f"{PATH}/{hook.pk}", {"is_active": True})
    assert deliver_webhooks() == 1
    assert WebhookDelivery.objects.get().state == "delivered"


def test_one_that_is_gone_is_switched_off_at_once(house: House, receiver: Receiver) -> None:
    hook, _secret = made(house, receiver.url)
    receiver.status = 410
    told(house)
    deliver_webhooks()
    hook.refresh_from_db()
    assert (hook.is_active, hook.disabled_reason, WebhookDelivery.objects.get().state) == (False, "gone", "given_up")


def test_a_new_secret_signs_beside_the_old_one_for_a_day(house: House, receiver: Receiver) -> None:
    hook, old = made(house, receiver.url)
    new = house.ask("owner", "POST", f"{PATH}/{hook.pk}/secret").json()["secret"]
    house.ask("owner", "POST", f"{PATH}/{hook.pk}/test")
    deliver_webhooks()
    assert all(is_signed_by(secret, *receiver.got[0]) for secret in (old, new))
    Webhook.objects.update(old_secret_until=timezone.now())
    house.ask("owner", "POST", f"{PATH}/{hook.pk}/test")
    deliver_webhooks()
    assert [is_signed_by(secret, *receiver.got[1]) for secret in (old, new)] == [False, True]
    assert json.loads(receiver.got[1][1])["type"] == "webhook.test"


def test_a_secret_sealed_with_another_key_of_the_site_is_told_and_not_sent(
    house: House, receiver: Receiver, settings: Any
) -> None:
    made(house, receiver.url)
    told(house)
    settings.SECRET_KEY = "another"
    deliver_webhooks()
    assert (receiver.got, WebhookDelivery.objects.get().last_trouble) == ([], "secret_unreadable")


def test_a_worker_that_died_over_a_call_leaves_it_to_the_next(house: House, receiver: Receiver) -> None:
    made(house, receiver.url)
    told(house)
    fan_out()
    WebhookDelivery.objects.update(lease_token="00000000-0000-0000-0000-000000000001", lease_until=timezone.now())
    dead = WebhookDelivery.objects.select_related("webhook").get()
    assert deliver_webhooks() == 1
    assert conclude(dead, Answer(500, "status", 1.0)) is False
    assert WebhookDelivery.objects.get().state == "delivered"


def test_old_events_go_with_their_deliveries(house: House, receiver: Receiver) -> None:
    made(house, receiver.url)
    told(house)
    deliver_webhooks()
    OutboxEvent.objects.update(at=timezone.now() - timedelta(days=31))
    recent = told(house)
    forget_old_events()
    assert (OutboxEvent.objects.get().pk, WebhookDelivery.objects.count()) == (recent.pk, 0)


# --- where it may go


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://x.localhost/",
        "https://10.0.0.8/hook",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[fd00::1]/",
        "https://0.0.0.0/",
        "https://100.64.0.1/",
        "https://user:secret@example.com/",
        "https://example.com/#part",
        "https://exa mple.com/",
        "https://example.com:99999/",
        "ftp://example.com/",
        "https:///nothing",
        "https://example.com/" + "x" * 500,
        "https://ex\u00e4mple.com/",
        "gopher",
        "",
    ],
)
def test_addresses_inside_or_malformed_are_refused(house: House, url: str) -> None:
    refused = house.ask("owner", "POST", PATH, {"url": url, "events": ["order.paid"]})
    assert (refused.status_code, refused.json()["code"]) in ((422, "webhook_url_invalid"), (400, "invalid_request"))
    assert Webhook.objects.count() == 0


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """The name server that a stranger owns: another answer each time."""
    asked: list[str] = []

    def answer(host: str, port: int, **_parts: Any) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(2, 1, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(calling, "getaddrinfo", answer)
    return asked


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::1"], ["::ffff:192.168.0.1"], ["169.254.169.254"]]
)
def test_a_name_that_leads_inside_is_not_called(monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    resolving(monkeypatch, found)
    answer = GuardedCaller().post("https://hooks.example/", headers={}, body=b"{}")
    assert (answer.status, answer.trouble) == (None, "address_private")


def test_a_name_is_asked_once_and_the_checked_address_is_called(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    asked = resolving(monkeypatch, ["127.0.0.1"], ["10.0.0.1"])
    answer = GuardedCaller(LOOPBACK).post(f"http://rebinding.example:{port}/hook", headers={}, body=b"{}")
    assert (answer.status, asked) == (200, ["rebinding.example"])
    assert receiver.got[0][0]["host"] == f"rebinding.example:{port}"


def test_http_goes_nowhere_that_the_operator_did_not_name(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["93.184.216.34"])
    answer = GuardedCaller(LOOPBACK).post("http://public.example/", headers={}, body=b"{}")
    assert answer.trouble == "address_unencrypted"


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.status, receiver.location = 302, "http://127.0.0.1:1/inside"
    answer = GuardedCaller(LOOPBACK).post(receiver.url, headers={}, body=b"{}")
    assert (answer.status, answer.trouble, len(receiver.got)) == (302, "status", 1)


def test_an_answer_that_drips_ends_at_the_deadline(receiver: Receiver) -> None:
    receiver.drip_seconds = 0.05
    answer = GuardedCaller(LOOPBACK, total_seconds=0.5).post(receiver.url, headers={}, body=b"{}")
    assert (answer.status, answer.trouble) == (None, "timeout")
    assert answer.seconds < 30


def test_nobody_there_and_no_certificate_are_told_in_a_word(receiver: Receiver) -> None:
    caller = GuardedCaller(LOOPBACK)
    assert caller.post("http://127.0.0.1:9/", headers={}, body=b"").trouble == "connection"
    assert caller.post(receiver.url.replace("http:", "https:"), headers={}, body=b"").trouble == "tls"


ADDRESSES = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address) | st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)


@hypothesis.settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ADDRESSES | st.sampled_from([ipaddress.ip_address(text) for text in INSIDE]))
def test_only_public_addresses_are_allowed_however_they_are_written(address: Any) -> None:
    if address.version == 4:
        mapped = ipaddress.IPv6Address(f"::ffff:{address}")
        assert is_allowed(mapped, ()) == is_allowed(address, ())
        if not address.is_global:
            assert not is_allowed(address, ())
    elif not address.is_global:
        assert not is_allowed(address, ())


@given(st.text(max_size=60).map(lambda text: f"https://{text}"))
def test_no_text_breaks_the_reading_of_addresses(url: str) -> None:
    with contextlib.suppress(AddressError):
        assert target_of(url).scheme == "https"


# --- pages


def test_owners_add_look_and_test_on_pages_and_others_see_nothing(house: House, receiver: Receiver) -> None:
    client, page = Client(), "/organizations/acme/webhooks"
    client.force_login(house.people["owner"])
    answer = client.post(page, {"url": receiver.url, "events": ["order.paid", "review.posted"]})
    hook = Webhook.objects.get()
    assert hook.kinds == ["order.paid", "review.posted"]
    assert "whsec_" in answer.content.decode()
    assert "whsec_" not in client.get(page).content.decode()
    one = f"{page}/{hook.pk}"
    assert client.post(one, {"do": "test"}).status_code == 302
    deliver_webhooks()
    delivery = WebhookDelivery.objects.get()
    shown = client.get(one).content.decode()
    assert "webhook.test" in shown
    assert "HTTP 200" in shown
    assert client.post(one, {"do": "redeliver", "delivery": str(delivery.pk)}).status_code == 302
    assert client.post(one, {"do": "redeliver", "delivery": "x"}).status_code == 404
    assert "whsec_" in client.post(one, {"do": "rotate"}).content.decode()
    bad = client.post(one, {"do": "change", "url": "https://10.0.0.1/", "events": ["order.paid"]})
    assert (bad.status_code, Webhook.objects.get().url) == (422, receiver.url)
    assert client.post(one, {"do": "change", "url": receiver.url, "events": ["order.paid"]}).status_code == 302
    client.post(one, {"do": "off"})
    assert (Webhook.objects.get().is_active, Webhook.objects.get().kinds) == (False, ["order.paid"])
    for role in ("publisher", "buyer", "viewer"):
        other = Client()
        other.force_login(house.people[role])
        assert (other.get(page).status_code, other.get(one).status_code) == (403, 403)
    assert client.post(one, {"do": "delete"}).status_code == 302
    assert (Webhook.objects.count(), WebhookDelivery.objects.count()) == (0, 0)
