"""Webhooks by real workers: one that is killed in the middle of a call loses nothing, and the mail goes out, too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as site_settings
from django.utils import timezone

from accounts.models import OutgoingMail, PersonExport, WebhookDelivery
from accounts.services.create_webhook import create_webhook
from accounts.services.invite_member import invite_member
from accounts.services.outbox import nudge
from accounts.services.request_export import request_export
from accounts.services.resend_webhook import send_test
from marketplace.supervisor import Stack
from tests import factories
from tests.accounts.receiver import Receiver, receiving
from tests.journeys.conftest import wait_until
from tests.serving import stack_environ

pytestmark = [pytest.mark.slow]


@pytest.fixture
def stack(transactional_db: None, tmp_path: Path) -> Iterator[Stack]:
    redis.Redis.from_url(site_settings.REDIS_URL).flushdb()
    environ = {
        **stack_environ(),
        "KEIKEN_DATA_DIR": str(tmp_path / "data"),
        "KEIKEN_SECRET_KEY": site_settings.SECRET_KEY,
        "KEIKEN_WEBHOOK_NETWORKS": "127.0.0.0/8",
    }
    with Stack(tmp_path / "logs", environ) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def test_a_call_that_died_with_its_worker_is_made_again(stack: Stack, receiver: Receiver, settings: Any) -> None:
    settings.KEIKEN = settings.KEIKEN.model_copy(update={"webhook_networks": "127.0.0.0/8"})
    acme = factories.organization("acme")
    actor = factories.owner_actor(acme)
    hook, _secret = create_webhook(actor=actor, organization=acme, url=receiver.url, kinds=["order.paid"])
    receiver.drip_seconds = 0.05
    stack.start_worker("outgoing", "outgoing")
    send_test(actor=actor, webhook=hook)
    wait_until(lambda: len(receiver.got) == 1, "the first call")
    stack.kill("outgoing")
    receiver.drip_seconds = 0
    row = WebhookDelivery.objects.get()
    assert (row.state, row.attempts, row.last_status) == ("waiting", 1, None)
    assert row.lease_until is not None
    # The lease of a dead worker runs out by itself; the test does not wait for it.
    WebhookDelivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    stack.start_worker("another", "outgoing")
    nudge("accounts.tasks.deliver_webhooks")
    wait_until(lambda: WebhookDelivery.objects.get().state == "delivered", "the second call")
    assert WebhookDelivery.objects.get().attempts == 2
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1


def test_mails_and_exports_are_made_by_the_worker(stack: Stack, tmp_path: Path) -> None:
    acme = factories.organization("acme")
    owner, actor = factories.owner_of(acme), factories.owner_actor(acme)
    invite_member(actor=actor, organization=acme, email="mika@new.example", role="viewer")
    request_export(actor=actor, person=owner)
    stack.start_worker("outgoing", "outgoing")
    wait_until(lambda: OutgoingMail.objects.get().sent_at is not None, "the mail")
    wait_until(lambda: PersonExport.objects.get().finished_at is not None, "the export")
    (letter,) = (tmp_path / "data" / "mail").iterdir()
    assert "Invitation to Acme" in letter.read_text()
    assert bytes(PersonExport.objects.get().content or b"").startswith(b"PK")
