"""Where things are."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import cache_page
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from orderproject.auth import TokenRefreshView, TokenView
from orderproject.health import livez, readyz
from orderproject.metrics import metrics

SCHEMA_FOR = 300
"""Seconds for which a process keeps the schema: making it takes a quarter of one."""

api: list[URLPattern | URLResolver] = [
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    path("", include("inventory.urls")),
    path("", include("orders.urls")),
    path("", include("events.urls")),
    path("", include("sagas.urls")),
    path("", include("notifications.urls")),
    path("schema/", cache_page(SCHEMA_FOR)(SpectacularAPIView.as_view()), name="schema"),
    path("docs/", SpectacularSwaggerView.as_view(), name="docs"),
]

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("livez", livez),
    path("readyz", readyz),
    path("metrics", metrics),
]

handler400 = "orderproject.problems.bad_request"
handler403 = "orderproject.problems.permission_denied"
handler404 = "orderproject.problems.page_not_found"
handler500 = "orderproject.problems.server_error"
