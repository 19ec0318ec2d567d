"""How the pages of webhooks show what was sent and why it did not arrive."""

from __future__ import annotations

import json
from typing import Any

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def pretty_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


@register.filter
def call_trouble(word: str) -> str:
    """What ``accounts.calling`` says in a word, as a sentence."""
    sentences = {
        "address_malformed": _("The address cannot be called."),
        "address_unresolved": _("The host name is not known."),
        "address_private": _("The host name leads into a private network."),
        "address_unencrypted": _("Only https addresses are called."),
        "timeout": _("It took too long."),
        "connection": _("The connection failed."),
        "tls": _("The certificate is not right."),
        "protocol": _("The answer was no HTTP, or too long."),
        "secret_unreadable": _("The signing secret can no longer be read: make a new one."),
    }
    return sentences.get(word, word)
