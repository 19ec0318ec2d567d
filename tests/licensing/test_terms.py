"""Terms: exactly the text that was agreed, readable uses, and a database that keeps both."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import Error, connection, transaction
from django.db.models import Model
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.refusals import Invalid
from licensing.domain.grants import state_of
from licensing.domain.spdx import EVERY_USE, WELL_KNOWN, statement_of
from licensing.domain.terms import USES, normal_text, permissions_of, text_sha256
from licensing.models import Acceptance, Grant, Terms
from licensing.selectors import current_grants
from licensing.services.create_terms import create_terms
from tests.licensing.conftest import TEXT, Shop, move, snapshot


def write(shop: Shop, **parts: Any) -> Terms:
    wanted = {"name": "x", "kind": "spdx", "spdx": "MIT", **parts}
    return create_terms(actor=shop.publisher, organization=shop.acme, **wanted)


def test_the_text_is_kept_exactly_and_anybody_may_check_its_hash(shop: Shop) -> None:
    answer = shop.ask("stranger", "GET", f"terms/{shop.terms.pk}").json()
    assert answer["text"] == TEXT
    assert answer["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert (answer["organization"], answer["name"], answer["version"]) == ("acme", "acme-standard", 1)
    assert answer["uses"] == ["replay", "read"]
    plain = shop.ask("stranger", "GET", f"terms/{shop.terms.pk}", Accept="text/plain")
    assert (plain.content, plain.headers["Content-Type"]) == (TEXT.encode(), "text/plain; charset=utf-8")


def test_line_ends_and_white_space_around_make_no_new_text(shop: Shop) -> None:
    again = shop.write_terms(text="\r\n" + TEXT.replace("\n", "\r\n") + "\r\n\r\n")
    assert again == shop.terms
    assert shop.write_terms(text=TEXT.replace("Nothing", "nothing")).version == 2


@given(st.text())
def test_a_normal_text_stays_as_it_is(text: str) -> None:
    once = normal_text(text)
    assert normal_text(once) == once
    assert "\r" not in once
    assert once.endswith("\n")


def test_a_change_is_a_new_version_and_the_old_one_stays(shop: Shop) -> None:
    second = shop.write_terms(uses=["replay"])
    third = shop.write_terms()
    assert (second.version, third.version, third.text_sha256) == (2, 3, shop.terms.text_sha256)
    listed = shop.ask("viewer of acme", "GET", "organizations/acme/terms").json()["results"]
    assert [(row["name"], row["version"]) for row in listed] == [
        ("acme-inner", 1),
        ("acme-standard", 3),
        ("acme-standard", 2),
        ("acme-standard", 1),
    ]
    assert "text" not in listed[0]


def test_a_well_known_license_states_itself_in_short(shop: Shop) -> None:
    terms = write(shop, spdx="apache-2.0")
    assert (terms.spdx, terms.uses) == ("Apache-2.0", list(EVERY_USE))
    assert terms.text.startswith("SPDX-License-Identifier: Apache-2.0\n")
    assert WELL_KNOWN["Apache-2.0"].summary in terms.text
    assert terms.text_sha256 == text_sha256(terms.text)


def test_the_license_file_of_the_package_is_the_text_where_it_is_given(shop: Shop) -> None:
    terms = write(shop, text="MIT License\n\nCopyright acme\n")
    assert (terms.text, terms.spdx, terms.kind) == ("MIT License\n\nCopyright acme\n", "MIT", "spdx")


def test_non_commercial_licenses_do_not_allow_selling() -> None:
    assert "resell" not in WELL_KNOWN["CC-BY-NC-4.0"].uses
    assert not {"modify", "derive"} & set(WELL_KNOWN["CC-BY-ND-4.0"].uses)


@pytest.mark.parametrize("identifier", sorted(WELL_KNOWN))
def test_every_well_known_identifier_is_one_of_spdx(identifier: str) -> None:
    from packaging.licenses import canonicalize_license_expression

    assert str(canonicalize_license_expression(identifier)) == identifier
    assert set(WELL_KNOWN[identifier].uses) <= set(USES)
    assert len(statement_of(identifier)) < 700


def test_an_expression_beyond_the_known_needs_its_uses(shop: Shop) -> None:
    with pytest.raises(Invalid, match="uses must be some of"):
        write(shop, spdx="MIT OR Apache-2.0")
    terms = write(shop, spdx="mit or apache-2.0", uses=["train", "replay", "replay"])
    assert (terms.spdx, terms.uses) == ("MIT OR Apache-2.0", ["replay", "train"])
    assert "In short" not in terms.text


@pytest.mark.parametrize(
    "parts",
    [
        {"spdx": "Nonsense-1.0"},
        {"spdx": ""},
        {"spdx": "x" * 5000},
        {"spdx": "LicenseRef-Acme", "uses": ["replay"]},
        {"kind": "oral"},
        {"kind": "custom", "spdx": "", "uses": ["replay"]},
        {"kind": "custom", "spdx": "", "text": "x", "uses": ["replay", "resale"]},
        {"kind": "custom", "spdx": "", "text": "x" * 200_001, "uses": ["replay"]},
        {"kind": "custom", "spdx": "", "text": "a\0b", "uses": ["replay"]},
        {"name": "Not A Slug"},
        {"name": "x" * 65},
    ],
)
def test_terms_that_break_a_rule_are_refused_and_not_kept(shop: Shop, parts: dict[str, Any]) -> None:
    before = snapshot()
    with pytest.raises(Invalid) as refusal:
        write(shop, **parts)
    assert (refusal.value.code, snapshot()) == ("terms_invalid", before)


def test_a_license_of_ones_own_carries_its_text(shop: Shop) -> None:
    terms = write(shop, spdx="LicenseRef-Acme", text="Ours.", uses=["replay"])
    assert (terms.spdx, terms.text) == ("LicenseRef-Acme", "Ours.\n")


@pytest.mark.parametrize("model", [Terms, Acceptance])
def test_the_database_refuses_to_rewrite_what_was_agreed(shop: Shop, model: type[Model]) -> None:
    shop.accept()
    before, table = snapshot(), model._meta.db_table
    for statement in (f"UPDATE {table} SET text_sha256 = repeat('0', 64)", f"DELETE FROM {table}"):
        with pytest.raises(Error, match="only ever added"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert snapshot() == before


def test_only_replaying_uses_permit_a_replay() -> None:
    assert permissions_of(["read", "replay"]) == ("download_experience", "replay_experience")
    assert permissions_of(["read", "train"]) == ("download_experience",)


NOW = datetime(2026, 11, 23, tzinfo=UTC)
DAY, INSTANT = timedelta(days=1), timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("starts", "ends", "revoked", "state"),
    [
        (-DAY, None, None, "current"),
        (timedelta(), None, None, "current"),
        (INSTANT, None, None, "not_started"),
        (-DAY, DAY, None, "current"),
        (-DAY, INSTANT, None, "current"),
        (-DAY, timedelta(), None, "ended"),
        (-DAY, -INSTANT, None, "ended"),
        (-DAY, DAY, -INSTANT, "revoked"),
        (-DAY, -INSTANT, -DAY, "revoked"),
    ],
)
def test_the_rule_and_the_database_agree_on_when_a_grant_permits(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    starts: timedelta,
    ends: timedelta | None,
    revoked: timedelta | None,
    state: str,
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    ends_at, revoked_at = (None if part is None else NOW + part for part in (ends, revoked))
    assert state_of(starts_at=NOW + starts, ends_at=ends_at, revoked_at=revoked_at, now=NOW) == state
    grant = shop.accept()
    move(grant, starts_at=NOW + starts, ends_at=ends_at)
    Grant.objects.filter(pk=grant.pk).update(revoked_at=revoked_at)
    assert current_grants().filter(pk=grant.pk).exists() == (state == "current")


def test_the_admin_shows_and_does_not_touch(shop: Shop) -> None:
    from django.test import Client
    from django.urls import reverse

    from tests import factories

    client = Client()
    client.force_login(factories.person("operator@example.com", is_staff=True, is_superuser=True))
    grant = shop.accept()
    before = snapshot()
    for model in ("terms", "offer", "acceptance", "grant"):
        assert client.get(reverse(f"admin:licensing_{model}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:licensing_{model}_add")).status_code == 403
    assert client.post(reverse("admin:licensing_grant_delete", args=[grant.pk]), {"post": "yes"}).status_code == 403
    assert snapshot() == before
