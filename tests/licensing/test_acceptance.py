"""Accepting: the exact text, one grant however often, and what comes after a license has ended."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError
from django.db.models import QuerySet
from django.utils import timezone

from accounts.domain.refusals import Conflict, NotFound, Refusal
from accounts.models import AuditEntry
from experiences.access import has_permission
from licensing.models import Acceptance, Grant, Offer
from licensing.selectors import current_grant, grant_of
from licensing.services import end_grants as sweep
from licensing.services.accept_offer import accept_offer
from licensing.services.end_grants import end_grants
from licensing.services.revoke_grant import revoke_grant
from licensing.services.withdraw_offer import withdraw_offer
from tests.accounts.racing import at_once, codes
from tests.licensing.conftest import BOTH, TEXT, Shop, move, permissions, snapshot


def refused(act: Any) -> Refusal:
    """The refusal, which must have changed nothing."""
    before = snapshot()
    with pytest.raises(Refusal) as refusal:
        act()
    assert snapshot() == before
    return refusal.value


def test_accepting_writes_who_what_and_the_permissions_together(shop: Shop) -> None:
    now = timezone.now()
    grant = shop.accept(shop.offer(shop.terms, grant_days=30))
    acceptance = Acceptance.objects.get()
    assert acceptance.text_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (acceptance.organization, acceptance.accepted_by_kind) == (shop.globex, "person")
    assert acceptance.accepted_by_id == shop.people["buyer of globex"].pk
    assert (grant.acceptance, grant.experience, grant.organization) == (acceptance, shop.public, shop.globex)
    assert now <= grant.starts_at <= timezone.now()
    assert grant.ends_at == grant.starts_at + timedelta(days=30)
    assert permissions(shop.globex, shop.public) == BOTH
    assert permissions(shop.initech, shop.public) == permissions(shop.globex, shop.private) == set()
    assert grant_of(shop.buyer, shop.public) == grant
    assert has_permission(shop.buyer, "download_experience", shop.public)


def test_both_sides_read_of_it_and_the_publisher_learns_no_address(shop: Shop) -> None:
    grant = shop.accept()
    theirs = AuditEntry.objects.get(action="license.accept")
    ours = AuditEntry.objects.get(action="license.given")
    assert (theirs.organization, theirs.actor_name) == (shop.globex, "buyer@globex.example")
    assert (ours.organization, ours.actor_name, ours.actor_id) == (shop.acme, "someone of globex", None)
    assert ours.details["organization"] == "globex"
    assert theirs.details["grant"] == ours.details["grant"] == str(grant.pk)
    assert "@" not in str(
        list(AuditEntry.objects.filter(organization=shop.acme, action__startswith="license").values())
    )
    assert Acceptance.objects.get().accepted_by_name == "someone of globex"


def test_what_the_terms_do_not_allow_is_not_given(shop: Shop) -> None:
    shop.accept(shop.offer(shop.write_terms("to-read", uses=["read"])))
    assert permissions(shop.globex, shop.public) == {"download_experience"}


def test_accepting_again_gives_the_same_grant(shop: Shop) -> None:
    grant = shop.accept()
    before = snapshot()
    assert shop.accept() == grant
    assert shop.accept(actor=shop.actor("owner of globex")) == grant
    assert snapshot() == before


def test_another_text_is_refused_with_the_hash_of_the_present_one(shop: Shop) -> None:
    refusal = refused(lambda: accept_offer(actor=shop.buyer, offer_id=shop.free.pk, terms_sha256="0" * 64))
    assert isinstance(refusal, Conflict)
    assert (refusal.code, refusal.details["terms_sha256"]) == ("terms_changed", shop.terms.text_sha256)


def test_an_offer_that_was_replaced_meanwhile_names_the_one_there_is(shop: Shop) -> None:
    changed = shop.offer(shop.write_terms(text="You may replay this on Mondays."))
    refusal = refused(lambda: shop.accept(shop.free))
    assert refusal.code == "terms_changed"
    assert refusal.details == {
        "offer": str(changed.pk),
        "terms_sha256": changed.terms.text_sha256,
        "terms_url": f"/api/v1/terms/{changed.terms_id}",
    }
    assert shop.accept(changed).acceptance.text_sha256 == changed.terms.text_sha256


def test_a_withdrawn_offer_is_gone_and_its_grants_stay(shop: Shop) -> None:
    grant = shop.accept()
    withdraw_offer(actor=shop.publisher, offer_id=shop.free.pk)
    withdraw_offer(actor=shop.publisher, offer_id=shop.free.pk)
    assert AuditEntry.objects.filter(action="offer.withdraw").count() == 1
    assert isinstance(refused(lambda: shop.accept(actor=shop.actor("owner of initech"))), NotFound)
    assert grant_of(shop.buyer, shop.public) == grant
    assert shop.accept() == grant
    assert shop.ask("viewer of globex", "GET", f"terms/{shop.terms.pk}").status_code == 200
    assert shop.ask("owner of initech", "GET", f"terms/{shop.terms.pk}").status_code == 404


def test_other_terms_wait_until_the_license_there_is_has_ended(shop: Shop) -> None:
    grant = shop.accept()
    changed = shop.offer(shop.write_terms(text="Other words."), grant_days=1)
    refusal = refused(lambda: shop.accept(changed))
    assert (refusal.code, refusal.details["grant"]) == ("other_terms_accepted", str(grant.pk))


def test_an_ended_grant_permits_nothing_though_nobody_swept_it_and_a_new_one_follows(shop: Shop) -> None:
    first = shop.accept()
    now = timezone.now()
    move(first, starts_at=now - timedelta(days=2), ends_at=now - timedelta(seconds=1))
    assert grant_of(shop.buyer, shop.public) is None
    assert permissions(shop.globex, shop.public) == BOTH
    second = shop.accept()
    first.refresh_from_db()
    assert second != first
    assert (first.closed_at is not None, first.revoked_at) == (True, None)
    assert (grant_of(shop.buyer, shop.public), permissions(shop.globex, shop.public)) == (second, BOTH)
    assert end_grants() == 0
    assert permissions(shop.globex, shop.public) == BOTH


def test_a_sweep_that_comes_late_leaves_the_new_grant_its_permissions(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = shop.accept()
    move(first, starts_at=timezone.now() - timedelta(days=2), ends_at=timezone.now())
    close, closed = sweep._close, []

    def late(grant_id: Any) -> bool:
        # The sweep has listed the ended grant; before it comes to close it, the offer is accepted anew.
        shop.accept()
        closed.append(close(grant_id))
        return closed[-1]

    monkeypatch.setattr(sweep, "_close", late)
    assert (end_grants(), closed) == (0, [False])
    assert permissions(shop.globex, shop.public) == BOTH
    assert AuditEntry.objects.filter(action="license.end").count() == 0


def test_the_sweep_takes_permissions_of_what_has_ended_and_only_of_that(shop: Shop) -> None:
    ended, running = shop.accept(), shop.accept(actor=shop.actor("owner of initech"))
    now = timezone.now()
    move(ended, starts_at=now - timedelta(days=2), ends_at=now)
    move(running, starts_at=now - timedelta(days=2), ends_at=now + timedelta(days=1))
    assert (end_grants(), end_grants()) == (1, 0)
    assert (permissions(shop.globex, shop.public), permissions(shop.initech, shop.public)) == (set(), BOTH)
    [entry] = AuditEntry.objects.filter(action="license.end")
    assert (entry.actor_kind, entry.organization, entry.details) == ("system", shop.globex, {"grant": str(ended.pk)})


def test_the_task_is_known_by_its_name(shop: Shop) -> None:
    from licensing.tasks import end_grants_task
    from marketplace.celery import app

    move(shop.accept(), starts_at=timezone.now() - timedelta(days=1), ends_at=timezone.now())
    assert app.tasks["licensing.tasks.end_grants"].name == end_grants_task.name
    assert end_grants_task() == 1


def test_revoking_takes_effect_at_once_and_tells_both_sides_why(shop: Shop) -> None:
    grant = shop.accept()
    path = f"grants/{grant.pk}"
    answer = shop.ask("publisher of acme", "DELETE", path, {"reason": "misuse"}).json()
    assert (answer["state"], answer["revoked_reason"]) == ("revoked", "misuse")
    assert grant_of(shop.buyer, shop.public) is None
    assert permissions(shop.globex, shop.public) == set()
    assert shop.ask("publisher of acme", "DELETE", path, {"reason": "again"}).json()["revoked_reason"] == "misuse"
    ours, theirs = AuditEntry.objects.get(action="license.revoke"), AuditEntry.objects.get(action="license.revoked")
    assert (ours.organization, theirs.organization) == (shop.acme, shop.globex)
    assert ours.details == theirs.details == {"grant": str(grant.pk), "organization": "globex", "reason": "misuse"}
    assert theirs.actor_name == "someone of acme"


def test_after_a_revocation_the_offer_can_be_accepted_anew(shop: Shop) -> None:
    first = shop.accept()
    revoke_grant(actor=shop.publisher, grant_id=first.pk, reason="a mistake")
    second = shop.accept()
    assert (second != first, Acceptance.objects.count()) == (True, 2)
    assert permissions(shop.globex, shop.public) == BOTH


def test_what_has_ended_cannot_be_revoked(shop: Shop) -> None:
    grant = shop.accept()
    move(grant, starts_at=timezone.now() - timedelta(days=1), ends_at=timezone.now())
    end_grants()
    refusal = refused(lambda: revoke_grant(actor=shop.publisher, grant_id=grant.pk, reason="late"))
    assert refusal.code == "grant_ended"


def test_revoking_needs_a_reason(shop: Shop) -> None:
    grant = shop.accept()
    for reason in ("", "   ", "x" * 301, "a\0b"):
        refusal = refused(lambda reason=reason: revoke_grant(actor=shop.publisher, grant_id=grant.pk, reason=reason))
        assert refusal.code == "reason_invalid"


def test_the_list_shows_what_one_holds_and_what_one_gave(shop: Shop) -> None:
    held, other = shop.accept(), shop.accept(actor=shop.actor("owner of initech"))
    revoke_grant(actor=shop.publisher, grant_id=other.pk, reason="x")

    def listed(asker: str) -> list[tuple[str, str]]:
        rows = shop.ask(asker, "GET", "grants").json()["results"]
        return [(row["organization"], row["state"]) for row in rows]

    assert listed("viewer of globex") == [("globex", "current")]
    assert listed("owner of acme") == [("initech", "revoked"), ("globex", "current")]
    [row] = shop.ask("viewer of globex", "GET", "grants").json()["results"]
    assert (row["id"], row["experience"], row["uses"]) == (str(held.pk), "acme/greet", ["replay", "read"])
    assert (row["seats"], row["seats_taken"], row["replays_quota"], row["replays_counted"]) == (None, [], None, 0)
    first = shop.ask("owner of acme", "GET", "grants?limit=1").json()
    following = shop.ask("owner of acme", "GET", f"grants?limit=1&cursor={first['next']}").json()
    assert [row["organization"] for row in following["results"]] == ["globex"]
    assert following["next"] is None


# --- at once


def test_control_without_the_lock_two_acceptances_do_meet_and_the_database_keeps_its_promise(
    committed_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the races below might be useless: then the two never met."""
    both_found_none = threading.Barrier(2)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, **_options: self)
    monkeypatch.setattr("licensing.services.agreeing.close_ended", lambda *_parts: both_found_none.wait(timeout=60))
    results = at_once(committed_shop.accept, committed_shop.accept)
    assert sorted(type(result).__name__ for result in results) == ["Grant", "IntegrityError"]
    assert any("grant_open_once" in str(result) for result in results if isinstance(result, IntegrityError))
    assert (Grant.objects.count(), Acceptance.objects.count()) == (1, 1)


def test_clicks_at_once_give_one_grant(committed_shop: Shop) -> None:
    results = at_once(*[committed_shop.accept] * 5)
    assert codes(results) == ["done"] * 5
    assert len({grant.pk for grant in results}) == 1
    assert (Grant.objects.count(), Acceptance.objects.count()) == (1, 1)
    assert AuditEntry.objects.filter(action="license.accept").count() == 1
    assert permissions(committed_shop.globex, committed_shop.public) == BOTH


@pytest.mark.parametrize("round_number", range(6))
def test_accepting_revoking_and_sweeping_at_once_leave_permissions_that_match(
    committed_shop: Shop, round_number: int
) -> None:
    shop = committed_shop
    grant = shop.accept()
    if round_number % 2:
        now = timezone.now()
        move(grant, starts_at=now - timedelta(days=2), ends_at=now - timedelta(days=1))

    def revoke() -> Any:
        return revoke_grant(actor=shop.publisher, grant_id=grant.pk, reason="x")

    results = at_once(shop.accept, revoke, end_grants, shop.accept, end_grants)
    assert set(codes(results)) <= {"done", "grant_ended"}
    current = current_grant(shop.globex.pk, shop.public.pk)
    assert permissions(shop.globex, shop.public) == (BOTH if current else set())
    assert Grant.objects.filter(revoked_at__isnull=True, closed_at__isnull=True).count() == (1 if current else 0)


def test_offers_made_at_once_leave_one_active(committed_shop: Shop) -> None:
    shop = committed_shop
    results = at_once(*[lambda days=days: shop.offer(shop.terms, grant_days=days) for days in (1, 2, 3, 4)])
    assert codes(results) == ["done"] * 4
    assert Offer.objects.filter(experience=shop.public, kind="free", is_active=True).count() == 1
    assert Offer.objects.filter(experience=shop.public, kind="free").count() == 5
    same = at_once(*[lambda: shop.offer(shop.terms, grant_days=9)] * 3)
    assert len({offer.pk for offer in same}) == 1


def test_terms_written_at_once_are_counted_one_by_one(committed_shop: Shop) -> None:
    shop = committed_shop
    results = at_once(*[lambda text=text: shop.write_terms("new", text=text) for text in ("a", "b", "c", "d")])
    assert codes(results) == ["done"] * 4
    assert sorted(terms.version for terms in results) == [1, 2, 3, 4]
    same = at_once(*[lambda: shop.write_terms("other", text="same")] * 3)
    assert {terms.version for terms in same} == {1}
