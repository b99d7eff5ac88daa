"""The History page of a row in the admin: what the audit log holds about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from desk import audit
from desk.actors import names_of
from desk.json_text import pretty
from desk.models import Audit

if TYPE_CHECKING:
    Base = ModelAdmin[Any]
else:
    Base = object

MAX_LINES = 200
"""The newest entries that the page shows. The audit log itself has all of them."""


@dataclass(frozen=True)
class Change:
    """One field of an entry. A value that the row did not have is an empty text."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """One entry of the audit log with the fields that it changed. `rest`: its other details, as JSON."""

    entry: Audit
    who: str
    changes: list[Change]
    rest: str


class WithHistory(Base):
    """A mixin for the admin of a model: everyone who can view a row can also open its history."""

    has_history: ClassVar[bool] = True
    """Whether the audit can hold anything about these rows. Without it, there is no page and no button."""

    @property
    def audit_kind(self) -> str:
        """The `target_kind` of these rows in the audit."""
        return str(self.opts.verbose_name).lower()

    def audit_target(self, row: Any) -> str:
        """The id of this row in the audit."""
        return str(row.pk)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_history:
            raise Http404("Nothing about these rows is recorded in the audit.")
        row = self.get_object(request, unquote(object_id))
        if row is None:
            admin: Any = self
            away: HttpResponse = admin._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            return away
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        entries = audit.about(self.audit_kind, self.audit_target(row))[:MAX_LINES]
        names = names_of(entry.actor for entry in entries)
        context = {
            **self.admin_site.each_context(request), "opts": self.opts, "media": self.media, "title": "History",
            "subtitle": str(row), "object": row, "lines": [_line(entry, names) for entry in entries],
            **(extra_context or {}),
        }  # fmt: skip
        return TemplateResponse(request, "admin/desk/history.html", context)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any) -> Any:
        return super().render_change_form(request, context | {"show_history": self.has_history}, *args, **options)


def _line(entry: Audit, names: Mapping[str, str]) -> Line:
    who = names.get(entry.actor, entry.actor)
    before, after = (entry.details.get(name) for name in ("before", "after"))
    if not isinstance(before, dict) or not isinstance(after, dict):
        return Line(entry, who, [], pretty(entry.details) if entry.details else "")
    rest = {name: value for name, value in entry.details.items() if name not in {"before", "after"}}
    return Line(entry, who, list(_changes(before, after)), pretty(rest) if rest else "")


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for name in {**before, **after}:
        if before.get(name) != after.get(name):
            yield Change(name.replace("_", " "), _text(before.get(name)), _text(after.get(name)))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return value if isinstance(value, str) else pretty(value)
