"""What the use cases about webhooks share."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.addresses import AddressError, is_allowed, is_named, networks_of, target_of
from accounts.domain.events import EVENTS
from accounts.domain.refusals import Conflict, Invalid, NotFound
from accounts.models import Organization, Webhook
from accounts.services import audit


def administers(actor: Actor, organization: Organization) -> None:
    """Where an organization's events go is its owners' business. Raises Unauthenticated or Forbidden."""
    actor.require("admin", organization.pk)


def checked_url(url: str) -> str:
    """What can be told without asking the network; the rest is checked at each call.

    Raises Invalid ``webhook_url_invalid``.
    """
    url = url.strip()
    networks = networks_of(settings.KEIKEN.webhook_networks)
    try:
        target = target_of(url)
    except AddressError:
        raise _bad_url(_("This is no address that can be called.")) from None
    try:
        address = ipaddress.ip_address(target.host)
    except ValueError:
        address = None
    is_local = target.host == "localhost" or target.host.endswith(".localhost")
    if (address is not None and not is_allowed(address, networks)) or (is_local and not networks):
        raise _bad_url(_("This address is inside a private network."))
    is_inside = is_local or (address is not None and is_named(address, networks))
    if target.scheme != "https" and not (networks and (is_inside or address is None)):
        raise _bad_url(_("Webhooks go to https addresses only."))
    return url


def _bad_url(message: str) -> Invalid:
    return Invalid("webhook_url_invalid", message, _("Give the full https address of a receiver on the Internet."))


def checked_kinds(kinds: Sequence[str]) -> list[str]:
    """Sorted, each once. Raises Invalid ``webhook_events_invalid``."""
    wanted = sorted(set(kinds))
    if not wanted or any(kind not in EVENTS for kind in wanted):
        raise Invalid(
            "webhook_events_invalid",
            _("A webhook is told of at least one of the known events, and of nothing else."),
            _("Known are: {events}.").format(events=", ".join(EVENTS)),
            {"events": list(EVENTS)},
        )
    return wanted


def require_active(hook: Webhook) -> None:
    """Raises Conflict ``webhook_disabled``."""
    if not hook.is_active:
        raise Conflict(
            "webhook_disabled", _("This webhook is switched off."), _("Switch it on first, then send it again.")
        )


def locked(webhook: Webhook) -> Webhook:
    """Call it inside a transaction. Raises NotFound when it was deleted meanwhile."""
    row = Webhook.objects.select_for_update().filter(pk=webhook.pk).first()
    if row is None:
        raise NotFound(_("webhook"))
    return row


def record(actor: Actor, hook: Webhook, action: str, details: Mapping[str, object]) -> None:
    audit.record(actor=actor, action=action, target=hook.url, organization_id=hook.organization_id, details=details)
