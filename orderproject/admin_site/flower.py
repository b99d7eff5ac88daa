"""Who may see Flower. Front asks before it passes on a request, and shows the second view to everyone else."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from desk.flower import PERMISSION


@never_cache
def access(request: HttpRequest) -> HttpResponse:
    """204 for those who may, 401 for those who are not logged in to the admin, 403 for all others."""
    if not admin.site.has_permission(request):
        return HttpResponse(status=401)
    return HttpResponse(status=204 if request.user.has_perm(PERMISSION) else 403)


def refused(request: HttpRequest, page: str = "") -> HttpResponse:
    """The admin's log-in page, or that the user lacks the permission.

    421 if the request came past front, which alone reaches Flower (RFC 9110, section 15.5.20).
    """
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    return HttpResponse("Only front reaches Flower. Open this page at the address of front.", status=421)
