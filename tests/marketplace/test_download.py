"""One decision lets the bytes out, and it stands in the audit trail."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry
from keiken.package.watermark import Mark, mark_of, original
from licensing.models import Grant
from licensing.services.mark_copy import marked_copy
from tests import factories
from tests.marketplace.conftest import Market, audit, publish

URL = "/api/v1/experiences/acme/write-greeting/versions/1.0.0/package"
PRIVATE = "/api/v1/experiences/acme/inner-greeting/versions/1.0.0/package"


def test_a_licensed_download_is_what_was_published_marked_as_the_licenses_copy(market: Market) -> None:
    grant = market.grant()
    response = Client().get(URL, headers=market.key(market.globex, "download").headers)
    body = b"".join(response.streaming_content)  # type: ignore[attr-defined]
    digest = f"sha256:{hashlib.sha256(original(body)).hexdigest()}"
    assert response.status_code == 200
    assert digest == market.public.blob_id
    assert mark_of(body) == Mark(str(grant.id), ("SKILL.md",))
    assert response.headers["Keiken-Digest"] == digest
    assert response.headers["ETag"] == f'W/"{digest}"'
    assert response.headers["Keiken-License"] == str(grant.id)
    assert response.headers["Content-Type"] == "application/gzip"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Length"] == str(len(body))
    assert response.headers["Cache-Control"] == "private, no-cache"
    [entry] = audit("download.grant")
    assert (entry.organization_id, entry.actor_kind, entry.target) == (
        market.globex.id,
        "agent",
        "acme/write-greeting@1.0.0",
    )
    assert entry.details == {"digest": digest, "basis": "grant", "grant": str(grant.id)}


def test_without_a_license_it_is_403_with_the_offers_and_what_to_do(market: Market) -> None:
    response = Client().get(URL, headers=market.key(market.globex).headers)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (403, "license_required")
    assert [(offer["id"], offer["kind"]) for offer in problem["offers"]] == [(str(market.offer.id), "free")]
    assert problem["offers"][0]["terms"]["text_sha256"] == market.offer.terms.text_sha256
    assert "keiken accept acme/write-greeting" in problem["advice"]
    [entry] = audit("download.refuse")
    assert (entry.organization_id, entry.details["code"]) == (market.globex.id, "license_required")
    assert audit("download.grant") == []


def test_the_publishers_own_organization_needs_no_grant(market: Market) -> None:
    for url in (URL, PRIVATE):
        response = Client().get(url, headers=market.key(market.acme, "download").headers)
        assert (response.status_code, response.headers["Keiken-License"]) == (200, "own")
    assert [entry.details["basis"] for entry in audit("download.grant")] == ["own", "own"]
    assert Grant.objects.count() == 0


def test_a_key_without_the_scope_is_refused_even_at_home(market: Market) -> None:
    response = Client().get(URL, headers=market.key(market.acme, "read").headers)
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert [entry.details["code"] for entry in audit("download.refuse")] == ["scope_missing"]


def test_to_a_stranger_a_private_experience_reads_like_an_absent_one(market: Market) -> None:
    client, headers = Client(), market.key(market.globex).headers
    hidden = client.get(PRIVATE, headers=headers)
    absent = client.get(PRIVATE.replace("inner", "outer"), headers=headers)
    assert (hidden.status_code, absent.status_code) == (404, 404)
    told, untold = hidden.json(), absent.json()
    told.pop("request_id"), untold.pop("request_id")
    assert told == untold
    assert AuditEntry.objects.filter(action__startswith="download").count() == 0


def test_after_revocation_the_very_next_request_is_refused(market: Market) -> None:
    grant, headers = market.grant(), market.key(market.globex).headers
    assert Client().get(URL, headers=headers).status_code == 200
    market.revoke(grant)
    response = Client().get(URL, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "license_revoked")


def test_a_grant_that_has_ended_is_none(market: Market) -> None:
    grant = market.grant()
    past = timezone.now() - timedelta(days=1)
    Grant.objects.filter(pk=grant.pk).update(starts_at=past - timedelta(days=1), ends_at=past)
    response = Client().get(URL, headers=market.key(market.globex).headers)
    assert (response.status_code, response.json()["code"]) == (403, "license_expired")


def test_a_permission_without_a_grant_is_not_enough(market: Market) -> None:
    from guardian.shortcuts import assign_perm

    assign_perm("experiences.download_experience", market.globex.group, market.public.experience)
    response = Client().get(URL, headers=market.key(market.globex).headers)
    assert (response.status_code, response.json()["code"]) == (403, "license_required")


def test_a_grant_without_the_permission_is_not_enough(market: Market) -> None:
    from guardian.shortcuts import remove_perm

    market.grant()
    remove_perm("experiences.download_experience", market.globex.group, market.public.experience)
    response = Client().get(URL, headers=market.key(market.globex).headers)
    assert (response.status_code, response.json()["code"]) == (403, "use_not_licensed")


def test_head_and_a_known_etag_ask_without_being_metered(market: Market) -> None:
    market.grant()
    client, headers = Client(), market.key(market.globex).headers
    head = client.head(URL, headers=headers)
    assert (head.status_code, head.content, head.headers["Keiken-Digest"]) == (200, b"", market.public.blob_id)
    copy = marked_copy(market.public.blob_id, Grant.objects.get().pk)
    assert copy is not None
    assert head.headers["Content-Length"] == str(copy.stat().st_size)
    known = client.get(URL, headers={**headers, "If-None-Match": f'"{market.public.blob_id}"'})
    assert (known.status_code, known.content) == (304, b"")
    assert audit("download.grant") == []
    other = client.get(URL, headers={**headers, "If-None-Match": '"sha256:0"'})
    assert other.status_code == 200
    assert len(audit("download.grant")) == 1


def test_head_is_refused_like_get(market: Market) -> None:
    assert Client().head(URL).status_code == 401
    assert Client().head(URL, headers=market.key(market.globex).headers).status_code == 403
    assert Client().head(PRIVATE, headers=market.key(market.globex).headers).status_code == 404


def test_latest_is_a_version(market: Market) -> None:
    second = publish(market.acme, version="1.1.0")
    headers = market.key(market.acme).headers
    response = Client().get(URL.replace("1.0.0", "latest"), headers=headers)
    assert response.headers["Keiken-Digest"] == second.blob_id


@pytest.mark.parametrize("encoding", ["application/json", "text/html", "application/gzip", "*/*", "nonsense"])
def test_the_bytes_come_whatever_is_accepted(market: Market, encoding: str) -> None:
    headers = {**market.key(market.acme).headers, "Accept": encoding}
    assert Client().get(URL, headers=headers).headers["Content-Type"] == "application/gzip"


def test_a_person_in_a_browser_session_downloads_for_the_acting_organization(market: Market) -> None:
    assert market.signed_in(market.acme).get(URL).status_code == 200
    assert market.signed_in(market.globex).get(URL).status_code == 403
    [entry] = audit("download.grant")
    assert (entry.actor_kind, entry.actor_id) == ("person", factories.owner_of(market.acme).id)
