"""Light, dark or as the machine says: a choice kept in a cookie, made by a form that needs no JavaScript."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from marketplace.pages.base import back_to

COOKIE: Final = "keiken_theme"
YEAR_SECONDS: Final = 365 * 24 * 3600
THEMES: Final[dict[str, Promise]] = {"": _("As this machine"), "light": _("Light"), "dark": _("Dark")}


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keeps the theme, or forgets it when there is no such theme; goes back to the page it was chosen on."""
    theme = request.POST.get("theme", "")
    response = back_to(request, "home")
    if theme and theme in THEMES:
        response.set_cookie(
            COOKIE, theme, max_age=YEAR_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure()
        )
    else:
        response.delete_cookie(COOKIE, samesite="Lax")
    return response


def appearance(request: HttpRequest) -> dict[str, Any]:
    """Context processor: the chosen theme, empty for the machine's, and all there are."""
    chosen = request.COOKIES.get(COOKIE, "")
    return {"theme": chosen if chosen in THEMES else "", "themes": THEMES.items()}
