"""What templates need beside Django's own: icons, marks, stars, commands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import ngettext

from experiences.models import Experience
from marketplace import drawing, facet_wording, wording
from marketplace.icons import ICONS
from marketplace.proofs import Strip

register = template.Library()
KINDS = {
    "verdict": wording.VERDICTS,
    "status": wording.STATUSES,
    "fit": wording.FITS,
    "outcome": wording.OUTCOMES,
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inline icon; hidden from screen readers because the words beside it say the same."""
    return mark_safe(  # noqa: S308  # the paths are constants of ours
        f'<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{ICONS[name]}</svg>'
    )


@register.simple_tag
def mark(kind: str, value: str) -> SafeString:
    """A state as shape and word: ``{% mark "verdict" "passed" %}``."""
    found = KINDS[kind].get(value, wording.UNKNOWN)
    return format_html(
        '<span class="mark {}" title="{}">{}{}</span>', found.tone, found.meaning, icon(found.icon), found.label
    )


@register.simple_tag
def seal(value: str, detail: str = "") -> SafeString:
    """The large mark at the head of an experience."""
    found = wording.STATUSES.get(value, wording.UNKNOWN)
    return format_html(
        '<div class="seal {}">{}<div><strong>{}</strong><p>{}</p></div></div>',
        found.tone,
        icon(found.icon),
        found.label,
        detail or found.meaning,
    )


@register.simple_tag
def strip(strip: Strip, experience: Experience) -> SafeString:
    """The last verdicts in one environment as bars, oldest first; a table beside it says the same."""
    cells = []
    for row in strip.verdicts:
        found = wording.VERDICTS.get(row.verdict, wording.UNKNOWN)
        words = f"{row.version.version}, {row.finished_at:%Y-%m-%d %H:%M}: {found.label}"
        cells.append((found.tone, words, verification_url(experience, row.version.version, row.pk)))
    label = ngettext(
        "{environment}: {passed} of {count} verdict passed",
        "{environment}: {passed} of {count} verdicts passed",
        len(cells),
    )
    told = label.format(environment=strip.environment, passed=strip.passed, count=len(cells))
    return drawing.strip(cells, told)


@register.simple_tag
def verification_url(experience: Experience, version: str, number: UUID) -> str:
    return reverse("verification", args=[experience.organization.slug, experience.name, version, number])


@register.simple_tag(takes_context=True)
def here(context: template.RequestContext) -> str:
    """The address of this page, to come back to; without the language that the address names for itself alone."""
    request = context["request"]
    query = request.GET.copy()
    query.pop("lang", None)
    return f"{request.path}?{query.urlencode()}" if query else str(request.path)


@register.filter
def difference(value: str) -> Any:
    return wording.DIFFERENCES.get(value, value)


@register.filter
def percent(share: float) -> int:
    return round(share * 100)


@register.filter
def mebibytes(value: int | None) -> str:
    return "" if value is None else f"{value / (1 << 20):.1f} MiB"


@register.filter
def tone(value: str, kind: str) -> str:
    return KINDS[kind].get(value, wording.UNKNOWN).tone


@register.filter
def meaning(value: str, kind: str) -> Any:
    return KINDS[kind].get(value, wording.UNKNOWN).meaning


@register.filter
def isolation(value: str) -> Any:
    return wording.ISOLATION.get(value, value)


@register.filter
def way_out(code: str) -> Any:
    return wording.WAYS_OUT.get(code, code)


@register.filter
def use(value: str) -> Any:
    return wording.USES.get(value, value)


@register.filter
def short_digest(value: str) -> str:
    """``sha256:0123456789ab…`` is enough to recognize; the whole stands in the title or beside it."""
    return f"{value[:19]}…" if len(value) > 20 else value


@register.filter
def seconds(value: float | None) -> str:
    """A duration people can read: 0.42 s, 12 s, 3 min 5 s."""
    if value is None:
        return ""
    if value < 10:
        return f"{value:.2f} s"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key)


@register.filter
def listing_place(name: str) -> Any:
    """Where a word was found, in words: ``title``."""
    return facet_wording.PLACES[name]
