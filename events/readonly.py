"""Rows that the program alone writes, shown to people."""

from typing import Any

from django.contrib.admin import ShowFacets
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator


class UncountedAdmin(ModelAdmin):
    """For tables that grow without end: nothing counts them, and no action reaches beyond the page."""

    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_disable_select_all = True
    list_per_page = 50
    list_filter_submit = True


class ReadOnlyAdmin(UncountedAdmin):
    """Nobody adds, changes or deletes, whatever their permissions."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What people did to it is in the audit."""
        from events.audit_admin import audit_of

        return HttpResponseRedirect(audit_of(object_id))


def badge(text: str, colour: str = "") -> SafeString:
    """A label in one of Unfold's colours: info, success, warning, danger, primary; grey without."""
    html = render_to_string("unfold/helpers/label.html", {"text": text.replace("_", " "), "type": colour})
    return mark_safe(html)  # noqa: S308  a template escaped the text  # nosec B308 B703
