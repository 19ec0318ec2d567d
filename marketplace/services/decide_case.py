"""A reviewer decides a complaint, or the appeal against a decision: keep the thing or hide it, and say why."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actors import SYSTEM, Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid, NotFound
from accounts.models import Person
from accounts.services import audit
from experiences.services.hide import set_hidden
from marketplace.models import Case, CaseEntry, Rating
from marketplace.moderation import REVIEW, may_decide, require_reviewer
from marketplace.services.notices import tell_author
from marketplace.services.report_abuse import checked_statement, name_to_keep
from marketplace.services.scoring import ask_for_score


def decide_case(*, actor: Actor, case_id: uuid.UUID, outcome: str, reason: str = "", statement: str) -> Case:
    """The case with its outcome; a decision on an appeal closes it. The statement is what its author reads.

    Raises Forbidden ``reviewers_only``, ``reviewer_involved``, ``other_reviewer_needed``; NotFound; Conflict
    ``already_decided``; Invalid ``complaint_invalid``, ``outcome_unknown``.
    """
    require_reviewer(actor)
    said = checked_statement(statement)
    with transaction.atomic(durable=True):
        case = _locked(case_id)
        if case.state not in (Case.State.OPEN, Case.State.APPEALED):
            raise Conflict(
                "already_decided",
                _("This case was decided before."),
                _("Look at the decision; an appeal opens it again."),
            )
        is_appeal = case.state == Case.State.APPEALED
        _check(actor, case, outcome, reason)
        now = timezone.now()
        case.state = Case.State.CLOSED if is_appeal else Case.State.DECIDED
        case.outcome, case.statement = outcome, said
        case.reason = reason if outcome == Case.Outcome.HIDDEN else ""
        case.decided_at, case.closed_at = now, now if is_appeal else None
        case.save(update_fields=["state", "outcome", "statement", "reason", "decided_at", "closed_at"])
        _carry_out(case)
        _remember(actor, case, is_appeal=is_appeal)
        if is_appeal or case.outcome == Case.Outcome.HIDDEN:
            tell_author(case)
        ask_for_score(case.experience_id)
    return case


def _locked(case_id: uuid.UUID) -> Case:
    rows = Case.objects.select_for_update(of=("self",)).select_related("experience__organization", "rating")
    case = rows.filter(pk=case_id).first()
    if case is None:
        raise NotFound(_("case"))
    return case


def _check(actor: Actor, case: Case, outcome: str, reason: str) -> None:
    if outcome not in Case.Outcome.values or (outcome == Case.Outcome.HIDDEN and reason not in Case.Reason.values):
        raise Invalid(
            "outcome_unknown", _("A case ends as kept, or as hidden for a reason."), _("Choose one of each list.")
        )
    if not may_decide(actor, case):
        raise Forbidden(
            "reviewer_involved",
            _("You belong to an organization that this is about, or have reported it yourself."),
            _("Leave it to another reviewer."),
        )
    if case.state == Case.State.APPEALED and _decided_first(actor, case) and _others(actor):
        raise Forbidden(
            "other_reviewer_needed",
            _("You made the decision that is appealed."),
            _("Leave the appeal to another reviewer."),
        )


def _decided_first(actor: Actor, case: Case) -> bool:
    rows = CaseEntry.objects.filter(case=case, kind=CaseEntry.Kind.DECISION, actor_kind=actor.kind)
    return actor.id in rows.values_list("actor_id", flat=True)


def _others(actor: Actor) -> bool:
    """Whether there is another reviewer; a single one cannot be replaced."""
    staff = Person.objects.filter(is_staff=True, is_active=True)
    return any(person.pk != actor.id and person.has_perm(REVIEW) for person in staff)


def _carry_out(case: Case) -> None:
    at = case.decided_at if case.outcome == Case.Outcome.HIDDEN else None
    if case.subject == Case.Subject.LISTING:
        set_hidden(case.experience_id, at=at, reason=case.reason)
    elif case.rating_id is not None:
        field = "hidden_at" if case.subject == Case.Subject.RATING else "reply_hidden_at"
        Rating.objects.filter(pk=case.rating_id).update(**{field: at})


def _remember(actor: Actor, case: Case, *, is_appeal: bool) -> None:
    CaseEntry.objects.create(
        case=case,
        kind=CaseEntry.Kind.CLOSING if is_appeal else CaseEntry.Kind.DECISION,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=name_to_keep(actor),
        outcome=case.outcome,
        reason=case.reason,
        text=case.statement,
    )
    details = {"case": str(case.pk), "subject": case.subject, "outcome": case.outcome, "reason": case.reason}
    target = str(case.experience)
    audit.record(actor=actor, action="case.close" if is_appeal else "case.decide", target=target, details=details)
    # Its author learns of the decision, and not which of the operator's people made it.
    audit.record(
        actor=SYSTEM, action="moderation.decide", target=target, organization_id=case.organization_id, details=details
    )
