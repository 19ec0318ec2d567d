"""What the API views of every app share: the actor, and requests that were checked."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiTypes
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from accounts.access import actor_of
from accounts.actors import Actor


class ActorView(APIView):
    @property
    def actor(self) -> Actor:
        return actor_of(self.request)


def checked(shape: type[Serializer[Any]], data: Any) -> dict[str, Any]:
    """The validated values. Raises DRF's ValidationError, which becomes the problem ``invalid_request``."""
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def refusals(*statuses: int) -> dict[Any, Any]:
    """The problem+json answers of an operation."""
    return {(status, "application/problem+json"): OpenApiTypes.OBJECT for status in sorted({*statuses, 429})}
