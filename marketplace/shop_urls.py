"""Addresses of what a stranger decides by: changes, provenance, publishers; and of what robots read."""

from __future__ import annotations

from django.contrib.sitemaps import views as sitemaps
from django.urls import URLPattern, path

from marketplace.pages import compare, feeds, provenance, publisher, runbook

EXPERIENCE = "experiences/<slug:organization>/<slug:name>"

urlpatterns: list[URLPattern] = [
    path("d/<str:digest>", provenance.by_digest, name="by_digest"),
    path("publishers/<slug:slug>", publisher.publisher, name="publisher"),
    path(f"{EXPERIENCE}/compare", compare.compare_any, name="compare_any"),
    path(f"{EXPERIENCE}/compare/<str:old>...<str:new>", compare.compare, name="compare"),
    path(f"{EXPERIENCE}/card.png", feeds.card, name="card"),
    path(f"{EXPERIENCE}/verdicts.atom", feeds.experience, name="feed_experience"),
    path(f"{EXPERIENCE}/<str:version>/provenance", provenance.provenance, name="provenance"),
    path(f"{EXPERIENCE}/<str:version>/runbook", runbook.runbook, name="runbook"),
    path("feeds/new.atom", feeds.new, name="feed_new"),
    path("feeds/verdicts.atom", feeds.verdicts, name="feed_verdicts"),
    path("feeds/topics/<slug:name>.atom", feeds.topic, name="feed_topic"),
    path("feeds/publishers/<slug:slug>.atom", feeds.publisher, name="feed_publisher"),
    path("robots.txt", feeds.robots, name="robots"),
    path("sitemap.xml", sitemaps.index, {"sitemaps": feeds.SITEMAPS, "sitemap_url_name": "sitemap"}, name="sitemaps"),
    path("sitemaps/<section>.xml", sitemaps.sitemap, {"sitemaps": feeds.SITEMAPS}, name="sitemap"),
]
