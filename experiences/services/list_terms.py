"""Writing down on which terms an experience can be had, as a layer above knows it, for the search to choose by."""

from __future__ import annotations

from collections.abc import Iterable

from experiences.models import SearchEntry


def list_terms(*, experience_id: int, license_kinds: Iterable[str], price: str) -> None:
    """Call it in the transaction that changed the offers, while holding the lock of the experience's row.

    Only what everybody may see belongs here: a search counts it for strangers, too.
    """
    SearchEntry.objects.filter(pk=experience_id).update(license_kinds=sorted(set(license_kinds)), price=price)
