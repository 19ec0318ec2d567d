"""The index of the API and its OpenAPI 3.1 description; and the answer to addresses that do not exist."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.domain.refusals import NotFound
from marketplace.api import shapes
from marketplace.api.base import AlwaysFirst, View, problems


class IndexView(View):
    """Where to start."""

    @extend_schema(operation_id="index", tags=["root"], responses={200: shapes.Index, **problems()})
    def get(self, request: Request) -> Response:
        root = f"{settings.KEIKEN.site_url}/api/v1"
        return Response(
            {
                "name": "Keiken",
                "version": "1",
                "openapi_url": f"{root}/openapi.json",
                "experiences_url": f"{root}/experiences",
                "search_url": f"{root}/search",
                "signing_keys_url": f"{root}/signing-keys",
            }
        )


class OpenApiView(SpectacularAPIView):
    """The description of every operation of this API."""

    renderer_classes = [OpenApiJsonRenderer]
    content_negotiation_class = AlwaysFirst


class UnknownAddressView(View):
    """Any address of the API that leads nowhere answers like everything else: with a problem."""

    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound(_("address"))
