"""A publisher writes down terms; the same name again makes the next version."""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from accounts.actors import Actor
from accounts.domain.refusals import Invalid
from accounts.models import Organization
from accounts.services import audit
from licensing.domain.terms import TEXT_LIMIT, USES, normal_text, spdx_text, text_sha256
from licensing.models import Terms


def create_terms(
    *,
    actor: Actor,
    organization: Organization,
    name: str,
    kind: str,
    uses: Sequence[str],
    text: str = "",
    spdx: str = "",
) -> Terms:
    """``kind`` is ``spdx`` (with ``spdx``, text optional) or ``custom`` (with ``text``). Same text and uses again: same terms.

    Raises Forbidden, or Invalid ``terms_invalid`` naming what is wrong.
    """
    actor.require("publish", organization.pk)
    text, spdx = _text(kind, text, spdx)
    unknown = sorted(set(uses) - set(USES))
    if unknown or not uses:
        raise _invalid(_("uses must be some of {uses}").format(uses=", ".join(USES)))
    with transaction.atomic(durable=True):
        Organization.objects.select_for_update().get(pk=organization.pk)
        rows = Terms.objects.filter(organization=organization, name=name)
        latest = rows.order_by("-version").first()
        if latest and (latest.text, latest.spdx, sorted(latest.uses)) == (text, spdx, sorted(set(uses))):
            return latest
        terms = Terms(
            organization=organization,
            name=name,
            version=(rows.aggregate(last=Max("version"))["last"] or 0) + 1,
            kind=kind,
            spdx=spdx,
            text=text,
            text_sha256=text_sha256(text),
            uses=[use for use in USES if use in uses],
        )
        try:
            terms.full_clean(validate_unique=False, validate_constraints=False)
        except ValidationError as error:
            raise _invalid(" ".join(error.messages).rstrip(".")) from None
        terms.save()
        audit.record(
            actor=actor,
            action="terms.create",
            target=str(terms),
            organization_id=organization.pk,
            details={"text_sha256": terms.text_sha256},
        )
    return terms


def _text(kind: str, text: str, spdx: str) -> tuple[str, str]:
    if len(text) > TEXT_LIMIT:
        raise _invalid(_("the text is too long"))
    if kind == "custom":
        if not text.strip() or "\0" in text:
            raise _invalid(_("custom terms need a text"))
        return normal_text(text), ""
    if kind != "spdx":
        raise _invalid(_("the kind is spdx or custom"))
    try:
        expression = str(canonicalize_license_expression(spdx))
    except InvalidLicenseExpression:
        raise _invalid(_("'{text}' is no SPDX license expression").format(text=spdx[:100])) from None
    return (normal_text(text) if text.strip() else spdx_text(expression)), expression


def _invalid(why: str) -> Invalid:
    return Invalid("terms_invalid", _("The terms cannot be used: {why}.").format(why=why))
