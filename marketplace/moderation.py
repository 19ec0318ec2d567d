"""Reading complaints: who may see a case, and as what."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Forbidden, NotFound
from accounts.models import Person
from experiences.models import Experience
from marketplace.interest import belongs_to_any
from marketplace.models import Case, CaseEntry, Rating, RatingEdit

REVIEW = "marketplace.review_case"
View = Literal["reviewer", "author", "reporter"]
APPEAL_SCOPES: dict[str, Literal["publish", "rate"]] = {"listing": "publish", "reply": "publish", "rating": "rate"}
QUEUE_SHOWN = 100


def is_reviewer(actor: Actor) -> bool:
    """Staff of the operator with the permission, signed in: a key may leak."""
    if actor.kind != "person" or actor.id is None or not actor.is_operator or actor.api_key_id is not None:
        return False
    person = Person.objects.filter(pk=actor.id, is_active=True).first()
    return person is not None and person.has_perm(REVIEW)


def require_reviewer(actor: Actor) -> None:
    """Raises Unauthenticated, or Forbidden ``reviewers_only``."""
    actor.require_known()
    if not is_reviewer(actor):
        raise Forbidden(
            "reviewers_only",
            _("Complaints are decided by reviewers of this marketplace."),
            _("An operator names reviewers: 'manage.py reviewers add E-MAIL'."),
        )


def may_decide(actor: Actor, case: Case) -> bool:
    """Whether a reviewer has nothing to do with it: neither its author, nor the publisher, nor one who reported it."""
    interested = {case.organization_id, case.experience.organization_id}
    return not belongs_to_any(actor, interested) and not _reports_by(actor, case).exists()


def _reports_by(actor: Actor, case: Case) -> QuerySet[CaseEntry]:
    rows = CaseEntry.objects.filter(case=case, kind=CaseEntry.Kind.REPORT)
    by_person = Q(actor_kind=actor.kind, actor_id=actor.id)
    if actor.organization_id is None:
        return rows.filter(by_person)
    return rows.filter(by_person | Q(organization_id=actor.organization_id))


@dataclass(frozen=True)
class SeenCase:
    """A case as somebody may see it."""

    case: Case
    view: View


def case_for(actor: Actor, number: uuid.UUID) -> SeenCase:
    """Reviewers see all, its author what was decided and why, who reported it what came of it. Raises NotFound."""
    rows = Case.objects.select_related("experience__organization", "rating__organization", "organization")
    case = rows.filter(pk=number).first()
    view = _view_of(actor, case) if case is not None and actor.is_known else None
    if case is None or view is None:
        raise NotFound(_("case"))
    return SeenCase(case, view)


def _view_of(actor: Actor, case: Case) -> View | None:
    if is_reviewer(actor):
        return "reviewer"
    if actor.acts_for(case.organization_id):
        # As long as nothing is decided the author is not told that somebody complained.
        return "author" if case.state != Case.State.OPEN else None
    return "reporter" if _reports_by(actor, case).exists() else None


def may_appeal(actor: Actor, case: Case) -> bool:
    return (
        case.state == Case.State.DECIDED
        and case.outcome == Case.Outcome.HIDDEN
        and actor.acts_for(case.organization_id)
        and APPEAL_SCOPES[case.subject] in actor.scopes
    )


def queue(state: str) -> list[Case]:
    """Cases in a state with the number of reports, what endangers people first, then the oldest."""
    rows = Case.objects.filter(state=state).select_related("experience__organization", "organization")
    counted = rows.annotate(
        reports=Count("entries", filter=Q(entries__kind=CaseEntry.Kind.REPORT)),
        urgent=Count("entries", filter=Q(entries__kind=CaseEntry.Kind.REPORT, entries__reason=Case.Reason.SECURITY)),
    )
    order = ("-urgent", "created_at") if state in (Case.State.OPEN, Case.State.APPEALED) else ("-decided_at",)
    return list(counted.order_by(*order)[:QUEUE_SHOWN])


def waiting() -> dict[str, int]:
    """How many cases there are in each state."""
    rows = Case.objects.values("state").annotate(count=Count("pk")).order_by()
    found = {row["state"]: row["count"] for row in rows}
    return {str(state): found.get(state, 0) for state in Case.State.values}


def entries_of(case: Case) -> list[tuple[CaseEntry, str]]:
    """Everything said and done, oldest first, each with the name of whoever it was."""
    rows = list(case.entries.select_related("organization").order_by("pk"))
    people = Person.objects.in_bulk([row.actor_id for row in rows if row.actor_kind == "person" and row.actor_id])
    return [(row, str(people.get(row.actor_id or 0) or row.actor_name)) for row in rows]


def forms_of(case: Case) -> list[RatingEdit]:
    """What a reviewer needs to know: how the rating or the reply read, each time it was written."""
    if case.rating_id is None:
        return []
    part = RatingEdit.Part.REPLY if case.subject == Case.Subject.REPLY else RatingEdit.Part.RATING
    return list(RatingEdit.objects.filter(rating_id=case.rating_id, part=part).order_by("pk")[:100])


def hiding_case(experience: Experience) -> Case | None:
    """The case by which a listing is hidden, for its publisher."""
    if experience.hidden_at is None:
        return None
    rows = Case.objects.filter(experience=experience, subject=Case.Subject.LISTING, outcome=Case.Outcome.HIDDEN)
    return rows.order_by("-decided_at").first()


def hiding_case_of(rating: Rating) -> Case | None:
    """The newest case by which the rating or the reply to it is hidden."""
    rows = Case.objects.filter(rating=rating, outcome=Case.Outcome.HIDDEN)
    return rows.order_by("-decided_at").first()


def document_of(seen: SeenCase) -> dict[str, Any]:
    """As the API tells it: the words of others only to reviewers."""
    case = seen.case
    return {
        "id": case.pk,
        "subject": case.subject,
        "experience": str(case.experience),
        "rating": case.rating_id,
        "state": case.state,
        "outcome": case.outcome or None,
        "reason": case.reason or None,
        "statement": case.statement if seen.view != "reporter" else "",
        "created_at": case.created_at,
        "decided_at": case.decided_at,
        "closed_at": case.closed_at,
    }
