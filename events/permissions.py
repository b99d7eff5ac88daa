"""Who may call an operation: a Django permission for each method of a view."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class Holds(BasePermission):
    """The view says in `needs`, by method, which permission its caller must hold."""

    message = "This is for members of staff who hold the permission for it."

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.needs.get(request.method)
        if needed is None:  # such a method will be refused as not allowed
            return bool(request.user.is_authenticated)
        return request.user.has_perm(needed)
