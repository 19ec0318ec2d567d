"""Who answers for what: the public profile of a publisher."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from marketplace.links import publisher_links
from marketplace.pages.base import acting, page
from marketplace.publishers import publisher_sheet


@require_safe
@page
def publisher(request: HttpRequest, slug: str) -> HttpResponse:
    context = {"section": "browse", **publisher_sheet(acting(request), slug)}
    context["links"] = publisher_links(context["publisher"]) if context["is_public"] else None
    return render(request, "marketplace/publisher.html", context)
