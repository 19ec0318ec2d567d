"""What the API views of every app share: the actor, one form of answer, requests that were checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.access import actor_of
from accounts.actors import Actor
from accounts.paging import PAGE_SIZE, PAGE_SIZE_MAX

# The shape itself is described where problems are rendered, above these apps.
PROBLEM = {"$ref": "#/components/schemas/Problem"}


class OneForm(BaseContentNegotiation):
    """Answers with what the view gives, whatever the Accept header prefers: there is only one form."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        wanted = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        only = next(iter(renderers))
        return only, str(only.media_type)


class ActorView(APIView):
    content_negotiation_class = OneForm

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


class PageQuery(serializers.Serializer[object]):
    cursor = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=PAGE_SIZE_MAX, default=PAGE_SIZE)


def checked(shape: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """The validated values. Raises DRF's ValidationError, which becomes the problem ``invalid_request``."""
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def refusals(*statuses: int) -> dict[Any, Any]:
    """The problem+json answers of an operation that refuses with these statuses."""
    return {(status, "application/problem+json"): OpenApiResponse(PROBLEM) for status in sorted({*statuses, 429})}
