"""What every view of this app shares: its actor, lenient content negotiation, described problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.access import actor_of
from accounts.actors import Actor
from marketplace.api.shapes import Problem
from marketplace.parsing import BoundedJSONParser


class AlwaysFirst(BaseContentNegotiation):
    """Answers with what the view gives, whatever the Accept header prefers: there is only one form."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        wanted = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == wanted), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, str(first.media_type)


class View(APIView):
    parser_classes = (BoundedJSONParser,)
    content_negotiation_class = AlwaysFirst

    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


def checked(shape: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """The validated values. Raises DRF's ValidationError, which becomes the problem ``invalid_request``."""
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def problems(*statuses: int) -> dict[Any, Any]:
    """The responses of an operation that refuses with these statuses."""
    return {(status, "application/problem+json"): OpenApiResponse(Problem) for status in sorted({*statuses, 429})}
