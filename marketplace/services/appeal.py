"""The author of something hidden says why that is wrong; once, and another reviewer looks at it."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, NotFound
from accounts.services import audit
from marketplace.models import Case, CaseEntry
from marketplace.moderation import APPEAL_SCOPES, may_appeal
from marketplace.services.report_abuse import checked_statement, name_to_keep


def appeal(*, actor: Actor, case_id: uuid.UUID, text: str) -> Case:
    """The case, waiting for a reviewer again; what is hidden stays so until then.

    Raises NotFound for anybody but the author, Forbidden without the scope, Conflict ``appeal_closed``, Invalid
    ``complaint_invalid``.
    """
    actor.require_known()
    said = checked_statement(text)
    with transaction.atomic(durable=True):
        rows = Case.objects.select_for_update(of=("self",)).select_related("experience__organization")
        case = rows.filter(pk=case_id).first()
        if case is None or not actor.acts_for(case.organization_id) or case.state == Case.State.OPEN:
            raise NotFound(_("case"))
        actor.require(APPEAL_SCOPES[case.subject])
        if not may_appeal(actor, case):
            raise Conflict(
                "appeal_closed",
                _("There is nothing to appeal here, or it was done already."),
                _("One appeal is heard for each decision to hide something."),
            )
        case.state = Case.State.APPEALED
        case.save(update_fields=["state"])
        CaseEntry.objects.create(
            case=case,
            kind=CaseEntry.Kind.APPEAL,
            organization_id=actor.organization_id,
            actor_kind=actor.kind,
            actor_id=actor.id,
            actor_name=name_to_keep(actor),
            text=said,
        )
        audit.record(
            actor=actor,
            action="case.appeal",
            target=str(case.experience),
            organization_id=actor.organization_id,
            details={"case": str(case.pk)},
        )
    return case
