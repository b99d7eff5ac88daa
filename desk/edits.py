"""Admin pages on which staff edit rows: the audit log keeps each edit; a stale form cannot overwrite a later one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest, HttpResponse

from desk import audit
from desk.actors import actor_of
from desk.history import WithHistory

if TYPE_CHECKING:
    FormBase = forms.ModelForm[Any]
else:
    FormBase = object

MADE_FROM = "made_from"
LONGEST = 60
"""Characters of a value that an error message shows at most."""


class SeenValues(FormBase):
    """A mixin for a model's form: refuses to save if another person has changed one of its values meanwhile.

    The form carries digests of the values that it was made from. Columns that are not in the form do not matter, so a
    sale that changes the stock of a product does not stop the edit of its name.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            made_from = json.dumps(self._digests())
            self.fields[MADE_FROM] = forms.CharField(required=False, widget=forms.HiddenInput, initial=made_from)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        seen = self.data.get(self.add_prefix(MADE_FROM))
        if seen is not None and not self.instance._state.adding:
            self._refuse_if_stale(_decoded(seen))
        return cleaned

    def _refuse_if_stale(self, seen: Mapping[str, str]) -> None:
        changed = [name for name, digest in self._digests().items() if seen.get(name) != digest]
        if changed:
            told = " and ".join(self._current(name) for name in changed)
            raise ValidationError(
                f"Another person has changed this {self.instance._meta.verbose_name} since you opened the page: {told}."
                " Your changes are not saved. Open the page again and repeat them.",
                code="stale",
            )

    def _digests(self) -> dict[str, str]:
        """A digest of each value that this form can change, as the row has it now."""
        names = [name for name, field in self.fields.items() if name in self.initial and not field.disabled]
        values = audit.as_json({name: self.initial[name] for name in names})
        return {name: sha256(json.dumps(value).encode()).hexdigest()[:12] for name, value in values.items()}

    def _current(self, name: str) -> str:
        """`price (now 3.90)`, or the name alone for values that are lists or long."""
        label = str(self.fields[name].label or name).lower()
        value = self.initial[name]
        short = not isinstance(value, list) and 0 < len(str(value)) <= LONGEST
        return f"{label} (now {value})" if short else label


def _decoded(seen: str) -> Mapping[str, str]:
    try:
        found = json.loads(seen)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class AuditedEdits(WithHistory):
    """A mixin for the admin of a model: audits what staff create, change and delete there, with the values.

    It writes nothing to Django's own admin log, so that one place tells the whole history.
    """

    withheld: ClassVar[tuple[str, ...]] = ()
    """Fields that the audit names without their values, as audit rows are never deleted: secret or personal."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        plain: Any = self.form
        self.form = type(plain.__name__, (SeenValues, plain), {})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """With the hidden field of `SeenValues` on a page that can change the row."""
        fieldsets = list(super().get_fieldsets(request, obj))
        if obj is None or not self.has_change_permission(request, obj):
            return fieldsets
        name, options = fieldsets[-1]
        return [*fieldsets[:-1], (name, {**options, "fields": (*options["fields"], MADE_FROM)})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """Django builds the form from the fieldsets, but `made_from` is no field of the model."""
        shown = flatten_fieldsets(self.get_fieldsets(request, obj)) if "fields" not in options else options["fields"]
        options["fields"] = shown and [name for name in shown if name != MADE_FROM]
        return super().get_form(request, obj, change=change, **options)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Locks the row while its form is checked and saved, so that of two people the second sees the first's edit."""
        with transaction.atomic():
            if request.method == "POST" and object_id is not None:
                self._lock(unquote(object_id))
            response: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
            return response

    def _lock(self, object_id: str) -> None:
        try:
            key = self.opts.pk.to_python(object_id)
        except ValidationError:
            return
        if "\0" not in object_id:
            self.model._base_manager.select_for_update(no_key=True).filter(pk=key).first()

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """The details for the audit, which Django hands on to `log_addition` or `log_change`."""
        if not isinstance(form, forms.ModelForm):  # the page that sets a password
            return {"withheld": ["password"]}
        saved = _saved(form)
        if add:
            return audit.as_json(self._without_withheld(saved))
        before = {name: form.initial.get(name) for name in saved}
        details: dict[str, Any] = audit.changes(self._without_withheld(before), self._without_withheld(saved))
        secret = [name for name in self.withheld if audit.changes(_only(name, before), _only(name, saved))]
        return details | ({"withheld": secret} if secret else {})

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self._record(request, "create", [obj], message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if message:
            self._record(request, "change", [obj], message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing: `delete_model` and `delete_queryset` record it, in the transaction of the deletion."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            self._record_deletions(request, [obj])
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            self._record_deletions(request, queryset)
            super().delete_queryset(request, queryset)

    def _record_deletions(self, request: HttpRequest, rows: Iterable[Any]) -> None:
        for row in rows:
            self._record(request, "delete", [row], audit.as_json(self._without_withheld(model_to_dict(row))))

    def _record(self, request: HttpRequest, action: str, rows: Iterable[Any], details: Mapping[str, Any]) -> None:
        targets = [self.audit_target(row) for row in rows]
        audit.record(actor_of(request.user), action, self.audit_kind, targets, details=details)

    def _without_withheld(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in values.items() if name not in self.withheld}


def _saved(form: Any) -> dict[str, Any]:
    """The values of the form's fields as the database has them, such as 4.00 for a price typed as 4."""
    model = form._meta.model
    rows = model._base_manager.filter(pk=form.instance.pk)
    columns = [field.name for field in model._meta.concrete_fields if field.name in form.fields]
    several = [field.name for field in model._meta.many_to_many if field.name in form.fields]
    return {**(rows.values(*columns).get() if columns else {}), **{name: form.cleaned_data[name] for name in several}}


def _only(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values[name]} if name in values else {}
