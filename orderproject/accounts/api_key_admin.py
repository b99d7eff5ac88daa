"""The admin pages for API keys: create a key, which is shown once; see its last use; revoke it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.edits import AuditedEdits
from desk.readonly import UncountedAdmin, badge
from orderproject.accounts import api_keys
from orderproject.models import ApiKey, User

COLOURS = {"valid": "success", "revoked": "danger", "expired": "warning"}
REVOKE = {
    "title": "Revoke",
    "button": "Revoke",
    "question": f"Revoke the key? It stops working within {api_keys.KEY_CACHE_SECONDS:.0f} s and cannot be restored.",
}


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]
    """`maker` is the current user, who cannot create a key with more permissions than its own."""

    maker: User

    class Meta:
        model = ApiKey
        fields = ("name", "user", "expires_at")

    def clean_user(self) -> User:
        user: User = self.cleaned_data["user"]
        if not user.is_active:
            raise ValidationError("This user is inactive. Choose an active user.")
        if not _covers(self.maker, user):
            raise ValidationError("You cannot create a key for a user with more permissions than yours.")
        return user

    def clean_expires_at(self) -> datetime | None:
        moment: datetime | None = self.cleaned_data["expires_at"]
        if moment is not None and moment <= datetime.now(UTC):
            raise ValidationError("Enter a time in the future.")
        return moment


def _covers(maker: User, user: User) -> bool:
    if maker.is_superuser:
        return True
    return not user.is_superuser and user.get_all_permissions() <= maker.get_all_permissions()


@admin.register(ApiKey)
class ApiKeyAdmin(AuditedEdits, UncountedAdmin):
    form = ApiKeyForm
    list_display = ("prefix", "name", "user", "state_badge", "created_at", "expires_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("prefix", "name", "user__username")
    ordering = ("-id",)
    sortable_by = ()
    autocomplete_fields = ("user",)
    actions = ("revoke_selected",)
    actions_detail = ("revoke_one",)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        shown = ("prefix", "state_badge", "created_at", "expires_at", "last_used_at", "revoked_at")
        return ("name", "user", *shown) if obj else ("name", "user", "expires_at")

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return self.get_fields(request, obj)[1:] if obj else ()

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type("ApiKeyForm", (form,), {"maker": request.user})

    def audit_target(self, row: ApiKey) -> str:
        return row.prefix

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: `api_keys.issue` writes to the audit."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # keys are revoked instead, so that the page still shows who had one

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["name"])
            return
        carrier: Any = request  # passes the key to `response_add` without storing it
        carrier.issued = api_keys.issue(obj, actor=actor_of(request.user))

    def response_add(self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None) -> HttpResponse:
        """Renders the key directly, because a redirect or a message would store it in a cookie or a session."""
        carrier: Any = request
        context = {
            **self.admin_site.each_context(request), "opts": self.model._meta, "title": f"API key {obj.prefix}",
            "key": obj, "text": carrier.issued, "back": reverse("admin:orderproject_apikey_changelist"),
        }  # fmt: skip
        return TemplateResponse(request, "admin/orderproject/api_key.html", context)

    # --- revoking --------------------------------------------------------------------------------------------

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orderproject.change_apikey")

    @admin.action(description="Revoke selected API keys", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        return self._revoke(request, list(queryset.order_by("id")), back=request.path, action="revoke_selected")

    @action(description="Revoke", url_path="revoke", permissions=["revoke"], variant=ActionVariant.DANGER)
    def revoke_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:orderproject_apikey_change", args=[object_id])
        key: ApiKey | None = self.get_object(request, object_id)
        asked = self._revoke(request, [key], back=page) if key else None
        return asked or HttpResponseRedirect(page)

    def _revoke(self, request: HttpRequest, keys: list[ApiKey], *, back: str, action: str = "") -> HttpResponse | None:
        form = ReasonForm(request.POST if confirmed(request) else None)
        if not form.is_valid():
            return confirm(self, request, objects=keys, action=action, form=form, back=back, **REVOKE)
        reason = form.cleaned_data["reason"]
        revoked = api_keys.revoke(keys, actor=actor_of(request.user), reason=reason)
        self.message_user(
            request, f"Revoked {len(revoked)} API key{'' if len(revoked) == 1 else 's'}.", messages.SUCCESS
        )
        return None

    @display(description="State")
    def state_badge(self, key: ApiKey) -> SafeString:
        return badge(state_of(key), COLOURS[state_of(key)])


def state_of(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= datetime.now(UTC) else "valid"
