"""Report a listing, a rating or a reply: the report joins the case that is open, or opens one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.actors import Actor
from accounts.domain.refusals import Conflict, Forbidden, Invalid
from accounts.services import audit
from accounts.services.constraints import broken_constraint
from experiences.models import Experience
from marketplace.domain.reviews import REASON_LIMIT, plain_text
from marketplace.interest import belongs_to_any
from marketplace.models import Case, CaseEntry, Rating
from marketplace.services.pacing import refuse_haste

REPORTS_LIMIT = 20
REPORTS_WITHIN = timedelta(hours=24)
OPEN_ONCE = {"case_of_listing_once", "case_of_rating_once"}


def report_abuse(
    *, actor: Actor, subject: str, experience: Experience, rating: Rating | None = None, reason: str, text: str
) -> tuple[Case, bool]:
    """The open case, and whether the report is new: an organization and a person are heard once in each case.

    Raises Unauthenticated for strangers, Forbidden ``own_contribution``, Invalid ``complaint_invalid``, Conflict
    ``already_reviewed`` where the same was decided and not changed since, TooManyRequests.
    """
    actor.require("read")
    plain = checked_statement(text)
    _check(actor, subject, experience, rating, reason)
    _refuse_repetition(actor, subject, experience, rating)
    refuse_haste(_reports_of(actor), limit=REPORTS_LIMIT, within=REPORTS_WITHIN)
    for attempt in (1, 2):
        try:
            with transaction.atomic(durable=True):
                return _add(actor, subject, experience, rating, reason, plain)
        except IntegrityError as error:
            # Two opened a case at once: the second joins that of the first.
            if broken_constraint(error) not in OPEN_ONCE or attempt == 2:
                raise
    raise AssertionError("the loop returns or raises")


def author_of(subject: str, experience: Experience, rating: Rating | None) -> int:
    """The organization that answers for the thing."""
    if subject == Case.Subject.RATING and rating is not None:
        return rating.organization_id
    return experience.organization_id


def name_to_keep(actor: Actor) -> str:
    """An agent's. A person is known by their number alone, since an entry cannot be changed when they leave."""
    return actor.name[:100] if actor.kind == "agent" else ""


def checked_statement(text: str) -> str:
    """A few plain sentences. Raises Invalid ``complaint_invalid``."""
    plain = plain_text(text)
    if not plain or len(plain) > REASON_LIMIT:
        raise Invalid(
            "complaint_invalid",
            _("This needs a few words, at most {limit} characters.").format(limit=REASON_LIMIT),
            _("Say what is wrong, so that somebody else can see it too."),
        )
    return plain


def _check(actor: Actor, subject: str, experience: Experience, rating: Rating | None, reason: str) -> None:
    if reason not in Case.Reason.values or not _is_shown(subject, experience, rating):
        raise Invalid(
            "complaint_invalid",
            _("This cannot be reported so, or it is hidden already."),
            _("Choose a reason from the list, and what it is about."),
        )
    if belongs_to_any(actor, {author_of(subject, experience, rating)}):
        raise Forbidden(
            "own_contribution", _("This is your own."), _("Change it or withdraw it instead of reporting it.")
        )


def _is_shown(subject: str, experience: Experience, rating: Rating | None) -> bool:
    if rating is None:
        return subject == Case.Subject.LISTING and experience.hidden_at is None
    if subject == Case.Subject.REPLY:
        return bool(rating.reply) and rating.reply_hidden_at is None
    return subject == Case.Subject.RATING and rating.hidden_at is None


def _reports_of(actor: Actor) -> QuerySet[CaseEntry]:
    rows = CaseEntry.objects.filter(kind=CaseEntry.Kind.REPORT)
    if actor.organization_id is not None:
        return rows.filter(organization_id=actor.organization_id)
    return rows.filter(actor_kind=actor.kind, actor_id=actor.id)


def _refuse_repetition(actor: Actor, subject: str, experience: Experience, rating: Rating | None) -> None:
    before = _reports_of(actor).filter(case__subject=subject, case__experience=experience, case__rating=rating)
    last = before.filter(case__decided_at__isnull=False).order_by("-case__decided_at").select_related("case").first()
    if last is None or last.case.decided_at is None or _changed_at(subject, experience, rating) > last.case.decided_at:
        return
    raise Conflict(
        "already_reviewed",
        _("You have reported this before. It was reviewed, and it has not changed since."),
        _("What came of it stands with your report."),
        {"case": str(last.case_id)},
    )


def _changed_at(subject: str, experience: Experience, rating: Rating | None) -> datetime:
    if rating is None:
        newest = experience.versions.order_by("-published_at").values_list("published_at", flat=True).first()
        return newest or experience.created_at
    return (rating.replied_at or rating.changed_at) if subject == Case.Subject.REPLY else rating.changed_at


def _add(
    actor: Actor, subject: str, experience: Experience, rating: Rating | None, reason: str, text: str
) -> tuple[Case, bool]:
    case, _opened = Case.objects.select_for_update().get_or_create(
        subject=subject,
        experience=experience,
        rating=rating,
        state__in=[Case.State.OPEN, Case.State.APPEALED],
        defaults={"state": Case.State.OPEN, "organization_id": author_of(subject, experience, rating)},
    )
    if _reports_of(actor).filter(case=case).exists():
        return case, False
    CaseEntry.objects.create(
        case=case,
        kind=CaseEntry.Kind.REPORT,
        organization_id=actor.organization_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=name_to_keep(actor),
        reason=reason,
        text=text,
    )
    audit.record(
        actor=actor,
        action="abuse.report",
        target=str(experience),
        organization_id=actor.organization_id,
        details={"case": str(case.pk), "subject": subject, "reason": reason},
    )
    return case, True
