"""Addresses of what a stranger decides by: what changed, where it comes from, who publishes it."""

from __future__ import annotations

from django.urls import URLPattern, path

from marketplace.pages import compare, provenance, publisher

EXPERIENCE = "experiences/<slug:organization>/<slug:name>"

urlpatterns: list[URLPattern] = [
    path("d/<str:digest>", provenance.by_digest, name="by_digest"),
    path("publishers/<slug:slug>", publisher.publisher, name="publisher"),
    path(f"{EXPERIENCE}/compare", compare.compare_any, name="compare_any"),
    path(f"{EXPERIENCE}/compare/<str:old>...<str:new>", compare.compare, name="compare"),
    path(f"{EXPERIENCE}/<str:version>/provenance", provenance.provenance, name="provenance"),
]
