"""Refuses addresses and forms of the admin that no page of it makes, before Django builds queries from them.

A NUL character cannot be part of any value in PostgreSQL, a key of the wrong kind cannot be compared with one, and
some lookups, such as `__regex`, fail for some values. Each would be an internal error somewhere below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import TO_FIELD_VAR
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import BadRequest, FieldError, ValidationError
from django.db import connection
from django.db.models import BinaryField, GenericIPAddressField, Model
from django.db.models.sql import Query
from django.http import Http404, HttpRequest, QueryDict

NUL = "\0"
COMPARISONS = frozenset({"exact", "gt", "gte", "lt", "lte", "in"})
LOOKUPS = COMPARISONS | {"iexact", "isnull", "isempty", "icontains", "istartswith"}
"""Those that the filters of lists make, and others that take any text. The rest is refused."""


def check(request: HttpRequest, view: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    """Raises Http404 for an address that cannot exist, BadRequest for parameters and forms that cannot be meant."""
    if NUL in request.path:
        raise Http404("No address has a NUL character.")
    if _has_nul(request.GET) or (request.method == "POST" and _has_nul(request.POST)):
        raise BadRequest("Remove the NUL character.")
    if {"content_type_id", "object_id"} <= arguments.keys():
        _check_shortcut(arguments["content_type_id"], arguments["object_id"])
    of_model: ModelAdmin[Any] | None = getattr(view, "model_admin", None)
    if of_model is None:
        return
    if "object_id" in arguments and not is_key(of_model.model, unquote(arguments["object_id"])):
        raise Http404(f"This is no key of a {of_model.opts.verbose_name}.")
    _check_parameters(of_model, request)
    if request.method == "POST":
        _check_selection(of_model.model, request.POST)


def _check_shortcut(content_type_id: Any, object_id: Any) -> None:
    """The address of "view on site"; Django looks for the row before it looks whether it may."""
    kind = ContentType.objects.filter(pk=content_type_id).first() if str(content_type_id).isdecimal() else None
    model = kind.model_class() if kind else None
    if model is None or not is_key(model, str(object_id)):
        raise Http404("This is no key of a row.")


def _check_parameters(of_model: ModelAdmin[Any], request: HttpRequest) -> None:
    if "" in (*request.GET.getlist(TO_FIELD_VAR), *request.POST.getlist(TO_FIELD_VAR)):
        raise BadRequest(f"Remove the empty {TO_FIELD_VAR}.")
    if not _is_list(request):  # other pages have parameters of their own, such as `?subject`
        return
    own = {getattr(one, "parameter_name", "") for one in of_model.list_filter}
    for name, values in request.GET.lists():
        if name not in own:
            _check_filter(of_model.model, name, values)


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith("_changelist")


def _check_filter(model: type[Model], name: str, values: Sequence[str]) -> None:
    """Does nothing for a name that is no field of the model: the list knows it, or refuses it."""
    try:
        query = Query(model)
        lookups, parts, _ = query.solve_lookup_type(name)
        _, _, fields, _ = query.names_to_path(parts, model._meta, fail_on_missing=True)
    except FieldError:
        return
    if unknown := set(lookups) - LOOKUPS:
        raise BadRequest(f"Lists cannot be filtered by {', '.join(sorted(unknown))}. Use the filters of the page.")
    lookup = lookups[-1] if lookups else "exact"
    texts = [part for value in values for part in (value.split(",") if lookup == "in" else [value])]
    if lookup in COMPARISONS and not all(_is_value(fields[0], text) for text in texts):
        raise BadRequest(f"No row can have this value of {name}. Use the filters of the page.")


def has_nul(values: Iterable[str]) -> bool:
    return any(NUL in value for value in values)


def _has_nul(data: QueryDict) -> bool:
    return has_nul(data) or any(has_nul(values) for _, values in data.lists())


def _check_selection(model: type[Model], form: QueryDict) -> None:
    if not all(is_key(model, key) for key in form.getlist(ACTION_CHECKBOX_NAME)):
        raise BadRequest("The selection has keys that no row can have. Select the rows on the page again.")


def is_key(model: type[Model], text: str) -> bool:
    """Whether a row of this model can have this key."""
    key = model._meta.pk
    return _is_value(key.target_field if key.is_relation else key, text)  # type: ignore[attr-defined]


def _is_value(field: Any, text: str) -> bool:
    """Whether a column of this field can be compared with what an address says."""
    if isinstance(field, ArrayField | BinaryField):
        return False
    try:
        value = field.to_python(text)
        if isinstance(field, GenericIPAddressField):
            field.run_validators(value)
    except ValidationError:
        return False
    if not isinstance(value, int) or isinstance(value, bool):
        return True
    low, high = connection.ops.integer_field_range(field.get_internal_type())
    return low is None or high is None or low <= value <= high
