"""All addresses of the API, joined from the apps."""

from __future__ import annotations

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include(f"{app}.api_urls")) for app in ("accounts", "experiences", "licensing") if find_spec(f"{app}.api_urls")
]
