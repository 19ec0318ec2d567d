"""What can be chosen on the page that searches, in plain words."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy, pgettext_lazy

from licensing.models import Offer

TITLES: dict[str, Any] = {
    "topic": gettext_lazy("Topic"),
    "verified": gettext_lazy("Proof"),
    "environment": gettext_lazy("Proven in"),
    "license": gettext_lazy("License"),
    "price": gettext_lazy("Price"),
    "action": gettext_lazy("What its steps do"),
    "language": gettext_lazy("Language"),
    "publisher": gettext_lazy("Publisher"),
}
VALUES: dict[str, dict[str, Any]] = {
    "verified": {
        "day": gettext_lazy("Verified within a day"),
        "week": gettext_lazy("Verified within a week"),
        "verified": gettext_lazy("Verified"),
        "unverified": gettext_lazy("Not verified"),
        "failing": gettext_lazy("Failing"),
    },
    "license": dict(Offer.Kind.choices),
    "price": {
        "free": pgettext_lazy("price", "Free of charge"),
        "low": pgettext_lazy("price", "Below 10 (yen: 1,500)"),
        "middle": pgettext_lazy("price", "Below 100 (yen: 15,000)"),
        "high": pgettext_lazy("price", "More"),
    },
    "action": {
        "run": gettext_lazy("Run commands"),
        "shell": gettext_lazy("Run scripts"),
        "http": gettext_lazy("Call addresses"),
        "file": gettext_lazy("Write files"),
        "ask": gettext_lazy("Ask a person"),
    },
    "language": {
        "en": gettext_lazy("English"),
        "ja": gettext_lazy("Japanese"),
        "zh": gettext_lazy("Chinese"),
        "ko": gettext_lazy("Korean"),
    },
}
PLACES: dict[str, Any] = {
    "title": gettext_lazy("title"),
    "topics": gettext_lazy("topics"),
    "summary": gettext_lazy("summary"),
    "steps": gettext_lazy("steps"),
    "meaning": gettext_lazy("close in meaning"),
}


def facet_title(name: str) -> Any:
    return TITLES[name]


def facet_value(name: str, value: str) -> Any:
    """Names of people's own choosing, as topics, stay as they are."""
    return VALUES.get(name, {}).get(value, value)
