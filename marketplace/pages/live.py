"""Watching a verification while it runs; when it is over, its page shows everything step by step."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.domain.refusals import NotFound
from experiences.access import require_evidence, version_for
from experiences.models import Verification
from experiences.watching import watched_one
from marketplace.pages.base import acting, page
from marketplace.templatetags.keiken import verification_url


@require_safe
@never_cache
@page
def live(request: HttpRequest, organization: str, name: str, version: str, number: UUID) -> HttpResponse:
    """The log so far. With JavaScript it renews itself; without, the browser loads the page again."""
    actor = acting(request)
    found = version_for(actor, organization, name, version)
    row = found.verifications.filter(pk=number).first()
    if row is None:
        raise NotFound(_("verification"))
    require_evidence(actor, found.experience)
    is_fragment = getattr(request, "htmx", False)
    if row.state == Verification.State.DONE:
        target = verification_url(found.experience, found.version, row.pk)
        return HttpResponseClientRedirect(target) if is_fragment else redirect(target)
    context = {
        "section": "browse",
        "experience": found.experience,
        "name": str(found.experience),
        "version": found,
        "row": row,
        "watched": watched_one(row),
        # A note may name folders and settings of this machine.
        "may_read_notes": actor.is_operator or actor.acts_for(found.experience.organization_id),
    }
    return render(request, "marketplace/_live.html" if is_fragment else "marketplace/live.html", context)
