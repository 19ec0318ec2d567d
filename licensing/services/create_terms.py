"""A publisher writes down terms; the same name again makes the next version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from licensing.domain.rules import NO_RULES, RulesMalformed, read_rules
from licensing.domain.spdx import WELL_KNOWN, statement_of
from licensing.domain.terms import TEXT_LIMIT, USES, agreed_text, normal_text, text_sha256
from licensing.models import Terms


def create_terms(
    *,
    actor: Actor,
    organization: Organization,
    name: str,
    kind: str,
    uses: Sequence[str] = (),
    text: str = "",
    text_ja: str = "",
    spdx: str = "",
    rules: Mapping[str, Any] | None = None,
) -> Terms:
    """The terms; the same content as the newest version of that name is that version, and changes nothing.

    ``kind`` is ``spdx`` (with ``spdx``; ``text`` is the package's LICENSE where there is one, else a statement which
    license applies; ``uses`` may be left out for well-known licenses) or ``custom`` (with ``text``, ``uses``, and
    where there is one the same text in Japanese). ``rules``: ``licensing.domain.rules.Rules`` as JSON.
    Raises Unauthenticated, Forbidden, or Invalid ``terms_invalid`` naming what is wrong.
    """
    actor.require("publish", organization.pk)
    text, spdx = _text(kind, text, spdx)
    text_ja = _text_ja(kind, text_ja)
    wanted = _uses(uses, spdx)
    ruled = _rules(rules or {})
    with transaction.atomic(durable=True):
        # Versions are counted: two at once wait for each other.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        latest = Terms.objects.filter(organization=organization, name=name).order_by("-version").first()
        content = {"kind": kind, "spdx": spdx, "text": text, "text_ja": text_ja, "uses": wanted, "rules": ruled}
        if latest and all(getattr(latest, name) == value for name, value in content.items()):
            return latest
        terms = Terms(
            organization=organization,
            name=name,
            version=latest.version + 1 if latest else 1,
            text_sha256=text_sha256(agreed_text(text, text_ja)),
            **content,
        )
        try:
            terms.clean_fields()
        except ValidationError as error:
            raise _invalid(" ".join(error.messages).rstrip(".")) from None
        terms.save(force_insert=True)
        audit.record(
            actor=actor,
            action="terms.create",
            target=str(terms),
            organization_id=organization.pk,
            details={"terms": str(terms.pk), "text_sha256": terms.text_sha256, "uses": wanted},
        )
    return terms


def _text(kind: str, text: str, spdx: str) -> tuple[str, str]:
    """The normal text and the canonical expression."""
    if len(text) > TEXT_LIMIT:
        raise _invalid(_("the text has more than {limit} characters").format(limit=TEXT_LIMIT))
    _require_clean(text)
    if kind == Terms.Kind.CUSTOM:
        if not text.strip():
            raise _invalid(_("custom terms need a text"))
        if spdx:
            raise _invalid(_("custom terms have no SPDX expression"))
        return normal_text(text), ""
    if kind != Terms.Kind.SPDX:
        raise _invalid(_("the kind is spdx or custom"))
    try:
        expression = str(canonicalize_license_expression(spdx))
    except InvalidLicenseExpression:
        raise _invalid(_("'{text}' is no SPDX license expression").format(text=spdx[:100])) from None
    if "LicenseRef-" in expression and not text.strip():
        raise _invalid(_("'{text}' is a license of your own, so its text must be given").format(text=expression[:100]))
    return normal_text(text if text.strip() else statement_of(expression)), expression


def _text_ja(kind: str, text_ja: str) -> str:
    if not text_ja.strip():
        return ""
    if kind != Terms.Kind.CUSTOM:
        raise _invalid(_("a license by its SPDX expression is its own text, without a translation"))
    if len(text_ja) > TEXT_LIMIT:
        raise _invalid(_("the text has more than {limit} characters").format(limit=TEXT_LIMIT))
    _require_clean(text_ja)
    return normal_text(text_ja)


def _require_clean(text: str) -> None:
    """A form feed stands between the two texts and nowhere else."""
    if "\0" in text or "\f" in text:
        raise _invalid(_("the text contains the character NUL or a form feed"))


def _rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """As they are kept; nothing where they say nothing."""
    try:
        found = read_rules(rules)
    except RulesMalformed as error:
        raise _invalid(_("the rule '{field}' cannot be used").format(field=error.field)) from None
    return {} if found == NO_RULES else found.document()


def _uses(uses: Sequence[str], spdx: str) -> list[str]:
    """In the fixed order, each once."""
    if not uses and spdx in WELL_KNOWN:
        uses = WELL_KNOWN[spdx].uses
    unknown = sorted(set(uses) - set(USES))
    if unknown or not uses:
        raise _invalid(_("uses must be some of {uses}").format(uses=", ".join(USES)))
    return [use for use in USES if use in uses]


def _invalid(why: str) -> Invalid:
    return Invalid(
        "terms_invalid",
        _("The terms cannot be used: {why}.").format(why=why),
        _("Correct it and send them again; nothing was kept."),
    )
