"""The audit trail of an organization: looked through with filters, and downloaded as a table that runs nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import organization_for
from accounts.domain.audit_filters import NAMES, AuditFilter, read_filter
from accounts.domain.refusals import Invalid
from accounts.models import AuditEntry
from accounts.selectors import audit_entries_of
from licensing.domain.statements import inert
from marketplace.pages.base import acting, page
from marketplace.pages.frame import organization_frame
from marketplace.pages.identifiers import row_number

SHOWN = 50
ROWS_MAX = 100_000
AT_ONCE = 1_000
COLUMNS = ("at", "actor_kind", "actor_name", "api_key_id", "action", "target", "details")
FAMILIES = ("agent.", "download.", "experience.", "key.", "license.", "member.", "order.", "organization.", "profile.",
            "rating.", "report.", "version.", "webhook.")  # fmt: skip
"""How actions begin, as suggestions; any other beginning works, too."""


@login_required
@never_cache
@require_safe
@page
def audit(request: HttpRequest, slug: str) -> HttpResponse:
    actor = acting(request)
    organization = organization_for(actor, slug)
    wanted, problem = AuditFilter(), None
    try:
        wanted = read_filter(request.GET.dict())
    except Invalid as refusal:
        problem = refusal
    rows = audit_entries_of(organization, wanted).order_by("-pk")
    if before := row_number(request.GET.get("before")):
        rows = rows.filter(pk__lt=before)
    shown = [] if problem else list(rows[: SHOWN + 1])
    context: dict[str, Any] = {
        **organization_frame(actor, organization, "audit"),
        "entries": shown[:SHOWN],
        "before": shown[SHOWN - 1].pk if len(shown) > SHOWN else None,
        "given": {name: request.GET.get(name, "")[:100] for name in NAMES},
        "query": urlencode(wanted.as_query()),
        "actions": FAMILIES,
        "problem": problem,
    }
    return render(request, "accounts/organization_audit.html", context, status=problem.status if problem else 200)


@login_required
@never_cache
@require_safe
@page
def audit_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """The newest 100,000 entries that the filter finds, sent while they are read."""
    organization = organization_for(acting(request), slug)
    rows = audit_entries_of(organization, read_filter(request.GET.dict()))
    headers = {"Content-Disposition": f'attachment; filename="{slug}-audit-{timezone.now():%Y-%m-%d}.csv"'}
    told = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8", headers=headers)
    return cast("HttpResponse", told)  # every middleware of ours takes either


def _lines(rows: QuerySet[AuditEntry]) -> Iterator[str]:
    """A piece for each thousand entries, read by number so that no cursor stays open in the database."""
    yield _csv([COLUMNS])
    left, last = ROWS_MAX, None
    while left > 0:
        part = rows if last is None else rows.filter(pk__lt=last)
        found = list(part.order_by("-pk")[: min(AT_ONCE, left)])
        if not found:
            return
        yield _csv([_cells(row) for row in found])
        left, last = left - len(found), found[-1].pk


def _cells(row: AuditEntry) -> tuple[str, ...]:
    key = "" if row.api_key_id is None else str(row.api_key_id)
    details = json.dumps(row.details, ensure_ascii=False)
    return (row.at.isoformat(), row.actor_kind, row.actor_name, key, row.action, row.target, details)


def _csv(rows: list[tuple[str, ...]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([inert(cell) for cell in row] for row in rows)
    return written.getvalue()
