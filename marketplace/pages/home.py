"""The start page, the health of the site, and which language it speaks."""

from __future__ import annotations

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from marketplace import selectors
from marketplace.links import home_links
from marketplace.pages.base import acting, page
from marketplace.patience import REDIS_OPTIONS

SHOWN = 5


@require_safe
@page
def home(request: HttpRequest) -> HttpResponse:
    actor = acting(request)
    newest, best = selectors.front_listings(actor, SHOWN)
    context = {
        "links": home_links(),
        "newest": newest,
        "best": best,
        "topics": selectors.topics(actor)[:12],
        "numbers": selectors.numbers(),
    }
    return render(request, "marketplace/home.html", context)


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the database and the broker answer, else 503; says which one does not, and no more."""
    parts = {"database": _database_answers(), "broker": _broker_answers()}
    status = 200 if all(parts.values()) else 503
    body = {"status": "ok" if status == 200 else "unavailable", **{k: "ok" if v else "down" for k, v in parts.items()}}
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_answers() -> bool:
    client = redis.Redis.from_url(settings.REDIS_URL, **REDIS_OPTIONS)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
