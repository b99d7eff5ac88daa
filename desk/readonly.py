"""Base classes of admin pages for rows that only the program writes."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.admin import ShowFacets
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from desk.actors import name_of, names_of
from desk.history import WithHistory
from desk.theme import ModelAdmin, RadioFilter, TabularInline, UncountedPaginator, badge, display

__all__ = [
    "DeclaredFilter", "NamedActor", "ReadOnlyAdmin", "ReadOnlyInline", "SearchableAdmin", "UncountedAdmin", "as_uuid",
    "badge", "code", "link",
]  # fmt: skip


class UncountedAdmin(WithHistory, ModelAdmin):
    """For large tables: never counts all rows, and actions only apply to rows on the current page."""

    paginator = UncountedPaginator
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    list_disable_select_all = True
    list_per_page = 50
    list_filter_submit = True

    class Media:
        css = {"all": ["desk/admin.css"]}


class ReadOnlyAdmin(UncountedAdmin):
    """Refuses to add, change or delete rows, whatever permissions the user has."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class SearchableAdmin(ReadOnlyAdmin):
    """`find` says what a search term means; Django's own search would read the whole table."""

    def find(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        raise NotImplementedError

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        return self.find(queryset, term) if term else queryset, False


class NamedActor(ReadOnlyAdmin):
    """Its column `who` shows the actor of a row by name. A list reads the names of a page in one statement."""

    actor_field = "actor"

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        names = names_of(getattr(row, self.actor_field) for row in rows)
        for row in rows:
            row.name_of_actor = names.get(getattr(row, self.actor_field), getattr(row, self.actor_field))
        changes.result_list = rows
        return changes

    @display(description="Actor")
    def who(self, row: Any) -> str:
        name: str | None = getattr(row, "name_of_actor", None)
        return name_of(getattr(row, self.actor_field)) if name is None else name


class ReadOnlyInline(TabularInline):
    """Rows to look at beside their owner."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DeclaredFilter(RadioFilter):
    """By a column that holds a declared name, `parameter_name`. To ask the table for the names would read all of it."""

    def names(self) -> Iterable[str]:
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


def as_uuid(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def link(url: str, text: object) -> SafeString:
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def code(text: str) -> SafeString:
    """Preformatted, as it is."""
    return format_html('<pre class="code">{}</pre>', text)
