"""Views that answer the same in every project, whatever Django REST framework's own settings say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import msgspec
from django.db.models import Model
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.views import APIView

from web.filters import KnownParameters
from web.pages import CursorPages
from web.wire import JSONParser, JSONRenderer

M = TypeVar("M", bound=Model)


class ApiView(APIView):
    """JSON in and out. `answers`: the status for each kind of error that the project's handler does not know."""

    answers: ClassVar[Mapping[type[Exception], int]] = {}
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Any]:
        handler: Callable[[Exception, dict[str, Any]], Any] = super().get_exception_handler()

        def handle(error: Exception, context: dict[str, Any]) -> Any:
            response = handler(error, context)
            if response is None and (known := self._known(error)):
                response = handler(known, context)
            return response

        return handle

    def _known(self, error: Exception) -> APIException | None:
        if isinstance(error, msgspec.ValidationError):
            return ValidationError(str(error))
        status = next((status for kind, status in self.answers.items() if isinstance(error, kind)), None)
        if status is None:
            return None
        known = APIException(str(error), code=getattr(error, "code", None))
        known.status_code = status
        return known


class ApiList(ApiView, GenericAPIView[M]):
    """A list in cursor pages, which refuses parameters that it does not know."""

    pagination_class = CursorPages
    filter_backends = (KnownParameters,)
