"""What changed between two versions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from experiences.access import version_for
from marketplace import comparison
from marketplace.domain.changes import shortened
from marketplace.pages.base import acting, page

SHOWN_CHARACTERS = 60_000
"""Of all lines together, so that the page of two large packages stays small; the API tells all."""


@require_safe
@page
def compare(request: HttpRequest, organization: str, name: str, old: str, new: str) -> HttpResponse:
    found = comparison.compared(acting(request), organization, name, old, new)
    context = {
        "section": "browse",
        "experience": found.new.experience,
        "name": str(found.new.experience),
        "comparison": found,
        "sections": [
            {
                "name": name,
                "title": comparison.SECTIONS[name],
                "changes": [
                    {
                        "change": change,
                        "kind": comparison.KINDS[change.kind],
                        "what": comparison.NAMES.get(change.what, change.what),
                        "effects": [comparison.EFFECTS[effect] for effect in change.effects],
                    }
                    for change in changes
                ],
            }
            for name, changes in shortened(found.sections, SHOWN_CHARACTERS).items()
        ],
    }
    return render(request, "marketplace/compare.html", context)


@require_safe
@page
def compare_any(request: HttpRequest, organization: str, name: str) -> HttpResponse:
    """Two versions chosen in a form: to the address that has both in its path. Raises NotFound."""
    actor = acting(request)
    chosen = [request.GET.get(side, "")[:64] for side in ("from", "to")]
    if not all(chosen):
        return redirect("experience", organization, name)
    found = [version_for(actor, organization, name, version).version for version in chosen]
    return redirect("compare", organization, name, *found)
