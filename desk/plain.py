"""What the admin pages use in place of Unfold's classes where Unfold is not installed: plain Django, no new look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any, TypeVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

V = TypeVar("V", bound=Callable[..., Any])
MAX_ROWS = 5000
"""Rows that a list shows, over all its pages. Filters and searches reach the others."""

ChoicesCheckboxFilter = admin.ChoicesFieldListFilter
RadioFilter = admin.SimpleListFilter
TextInput = AdminTextInputWidget
Textarea = AdminTextareaWidget
Select = forms.Select
TabularInline = admin.TabularInline
display = admin.display


class ActionVariant(Enum):
    """How a button looks."""

    DEFAULT = "default"
    PRIMARY = "primary"


class UncountedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most MAX_ROWS rows, however large the table is."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[:MAX_ROWS].count())


@dataclass(frozen=True)
class PageAction:
    """A button on a list, or on the page of one object, and the view behind it."""

    name: str
    path: str
    description: str
    variant: ActionVariant
    permissions: tuple[str, ...]
    method: Callable[..., HttpResponse]


def action(
    *,
    description: str,
    permissions: Iterable[str] = (),
    url_path: str = "",
    icon: str = "",
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[V], V]:
    """As Unfold's decorator: for bulk actions, for `actions_list` and for `actions_detail`. It shows no icon.

    Raises PermissionDenied where the caller lacks one of the permissions.
    """

    def decorate(view: V) -> V:
        @wraps(view)
        def checked(model_admin: Any, request: HttpRequest, *args: Any, **options: Any) -> Any:
            if not _may(model_admin, request, permissions):
                raise PermissionDenied
            return view(model_admin, request, *args, **options)

        declared: Any = checked
        declared.short_description = description
        declared.allowed_permissions = tuple(permissions)
        declared.url_path = url_path
        declared.variant = variant
        return declared  # type: ignore[no-any-return]

    return decorate


def _may(model_admin: Any, request: HttpRequest, permissions: Iterable[str]) -> bool:
    return all(getattr(model_admin, f"has_{permission}_permission")(request) for permission in permissions)


class ModelAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Django's, with Unfold's buttons on lists (`actions_list`) and on the pages of objects (`actions_detail`)."""

    actions_list: Sequence[str] = ()
    actions_detail: Sequence[str] = ()
    change_form_template = "admin/desk/plain/change_form.html"
    change_list_template = "admin/desk/plain/change_list.html"
    change_form_before_template = ""
    change_form_after_template = ""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        of_list = [
            path(f"{one.path}/", wrap(one.method), name=self._url_name(one))
            for one in self._declared(self.actions_list)
        ]
        of_object = [
            path(f"<path:object_id>/{one.path}/", wrap(one.method), name=self._url_name(one))
            for one in self._declared(self.actions_detail)
        ]
        return [*of_list, *of_object, *super().get_urls()]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[PageAction]:
        """The buttons that this user sees on the page of this object."""
        return [one for one in self._declared(self.actions_detail) if _may(self, request, one.permissions)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        allowed = [one for one in self._declared(self.actions_list) if _may(self, request, one.permissions)]
        return super().changelist_view(request, {"buttons": self._buttons(allowed), **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        allowed = self.get_actions_detail(request, object_id) if object_id else []
        context: dict[str, Any] = {
            "buttons": self._buttons(allowed, object_id),
            "before_template": self.change_form_before_template,
            "after_template": self.change_form_after_template,
        }
        return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))

    def _declared(self, names: Sequence[str]) -> list[PageAction]:
        methods = {name: getattr(self, name) for name in names}
        return [
            PageAction(
                name, method.url_path, method.short_description, method.variant, method.allowed_permissions, method
            )
            for name, method in methods.items()
        ]

    def _buttons(self, actions: Iterable[PageAction], *arguments: Any) -> list[dict[str, str]]:
        return [
            {
                "title": one.description,
                "variant": one.variant.value,
                "url": reverse(f"{self.admin_site.name}:{self._url_name(one)}", args=arguments),
            }
            for one in actions
        ]

    def _url_name(self, one: PageAction) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{one.name}"
