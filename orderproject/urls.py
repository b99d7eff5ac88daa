"""Where things are. An application's own paths stand in its urls.py, where it has one."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from orderproject.accounts.auth import TokenRefreshView, TokenView
from orderproject.accounts.customers import Forget
from orderproject.admin_site import flower
from orderproject.applications import KERNEL, SERVICES
from orderproject.observability.health import livez, readyz
from orderproject.observability.metrics import metrics
from orderproject.operations.page import operations, operations_stream
from orderproject.pages.views import favicon, front
from web import ids  # noqa: F401  registers the converter `id`

SCHEMA_FOR = 300
"""Seconds for which a process caches the OpenAPI document. Generating it takes a quarter of a second."""

api: list[URLPattern | URLResolver] = [
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("customers/<id:customer_id>/forget/", Forget.as_view(), name="forget-customer"),
    *(path("", include(f"{name}.urls")) for name in (*SERVICES, *KERNEL) if find_spec(f"{name}.urls")),
    path("schema/", cache_page(SCHEMA_FOR)(SpectacularAPIView.as_view()), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
]

urlpatterns = [
    path("", front, name="front"),
    path("favicon.ico", favicon, name="favicon"),
    path("admin/flower/access/", flower.access),
    path("admin/flower/", admin.site.admin_view(flower.refused)),
    path("admin/flower/<path:page>", admin.site.admin_view(flower.refused)),
    path("admin/operations/", admin.site.admin_view(operations), name="operations"),
    path("admin/operations/stream/", operations_stream, name="operations-stream"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler400 = "orderproject.api.problems.bad_request"
handler403 = "orderproject.api.problems.permission_denied"
handler404 = "orderproject.api.problems.page_not_found"
handler500 = "orderproject.api.problems.server_error"
