"""Authorization by one Django permission per HTTP method of a view."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Holds(BasePermission):
    """Requires the permission that the view's `needs` maps to the HTTP method."""

    message = "You lack the permission for this operation: ask an administrator to grant it."

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.needs.get(request.method)
        if needed is None:  # the view refuses this method with 405
            return bool(request.user.is_authenticated)
        return request.user.has_perm(needed)
