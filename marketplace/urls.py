"""All addresses of the site: pages here, the API in api_urls.py."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("marketplace.api_urls")),
]
