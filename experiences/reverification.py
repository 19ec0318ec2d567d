"""Which rules of re-verification apply: the operator's, the organization's, and those of the experience's topics."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db.models import CharField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.utils.translation import gettext as _

from accounts.domain.refusals import NotFound
from accounts.models import Organization
from experiences.domain.reverification import FIELDS, Rules, bounds, strictest
from experiences.models import AppliedPolicy, Experience, ReverificationPolicy


def site_rules() -> Rules:
    """The operator's: they apply to everybody, and nobody can ask for less."""
    site = settings.KEIKEN
    return Rules(
        max_age_days=site.reverify_days,
        on_new_environment=site.reverify_on_new_environment,
        on_environment_change=site.reverify_on_environment_change,
        diverging_reports=site.reverify_reports,
        request_minutes=site.reverify_request_minutes,
    )


def site_bounds() -> dict[str, tuple[int, int]]:
    return bounds(site_rules(), settings.KEIKEN.reverify_least_days)


def policies_of(organization: Organization) -> list[ReverificationPolicy]:
    """What the organization asked for: for all of its experiences first, then by topic."""
    return list(organization.reverification_policies.order_by("topic"))


def rules_for(experience: Experience) -> Rules:
    """The strictest of all that applies to it, in one query."""
    rows = ReverificationPolicy.objects.filter(
        organization_id=experience.organization_id, topic__in=["", *experience.topics]
    )
    return strictest(site_rules(), rows.values(*FIELDS))


def asked_for(wish: Q, *, experience: str = "version__experience") -> Exists:
    """For rows that lead to their experience by this path: whether a policy over it says so."""
    topics = ExpressionWrapper(OuterRef(f"{experience}__topics"), output_field=ArrayField(CharField(max_length=64)))
    rows = ReverificationPolicy.objects.filter(wish, organization=OuterRef(f"{experience}__organization"))
    return Exists(rows.alias(topics=topics).filter(Q(topic="") | Q(topics__contains=[F("topic")])))


def wanted_trials() -> Q:
    """Of verifications: no trials, unless somebody still asks for them."""
    return Q() if site_rules().on_new_environment else Q(is_trial=False) | Q(asked_for(Q(on_new_environment=True)))


def applied_policy(digest: str) -> AppliedPolicy:
    """The rules some summary was made by. Raises NotFound."""
    found = AppliedPolicy.objects.filter(digest=digest).first()
    if found is None:
        raise NotFound(_("policy"))
    return found


def document_of(row: ReverificationPolicy) -> dict[str, Any]:
    return {"topic": row.topic, **{name: getattr(row, name) for name in FIELDS}}
