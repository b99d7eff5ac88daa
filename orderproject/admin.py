"""The admin pages for users and groups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.edits import AuditedEdits
from desk.one_line import validate_one_line
from orderproject.accounts import api_key_admin, attempt_admin  # noqa: F401  they register themselves
from orderproject.accounts.forgetting import StillOpen, forget, may_forget
from orderproject.models import User

DANGER = ActionVariant.DANGER
PERSONAL_FIELDS = ("username", "first_name", "last_name", "email")
SUPERUSER_ONLY_FIELDS = ("is_staff", "is_superuser", "groups", "user_permissions")


class OneLineNames:
    """Refuses line breaks and control characters in names, which Django's own models take."""

    names = ("name", "first_name", "last_name")

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if db_field.name in self.names:
            field.validators.append(validate_one_line)
        return field


class NewUserForm(UserCreationForm):
    class Meta(UserCreationForm.Meta):
        model = User


class ChangedUserForm(UserChangeForm):
    class Meta(UserChangeForm.Meta):
        model = User


@admin.register(User)
class UserAdmin(AuditedEdits, OneLineNames, DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]
    form = ChangedUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_staff", "is_active", "last_login")
    show_full_result_count = False
    actions = ("forget_selected",)
    actions_detail = ("forget_one",)
    withheld = ("password", *PERSONAL_FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only superusers can change the fields that grant permissions; other staff could give themselves more."""
        always = ("last_login", "date_joined")
        return always if getattr(request.user, "is_superuser", False) else always + SUPERUSER_ONLY_FIELDS

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        with transaction.atomic():  # the password and its entry in the audit
            response: HttpResponse = super().user_change_password(request, id, form_url)
            return response

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._can_edit(request, obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The button leads to `delete_view`, which forgets: orders and the log refer to the row."""
        return self.has_forget_permission(request) if obj is None else may_forget(request.user, obj)

    def has_forget_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("orderproject.forget_user")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_forget_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(reverse("admin:orderproject_user_forget_one", args=[object_id]))

    @action(description="Forget", url_path="forget", permissions=["forget"], icon="person_off", variant=DANGER)
    def forget_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        back = reverse("admin:orderproject_user_changelist")
        user: User | None = self.get_object(request, object_id)
        asked = self._forget(request, [user], back=back) if user else None
        return asked or HttpResponseRedirect(back)

    @admin.action(description="Forget selected users", permissions=["forget"])
    def forget_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        return self._forget(request, list(queryset.order_by("pk")), back=request.path, action="forget_selected")

    def _forget(self, request: HttpRequest, users: list[User], *, back: str, action: str = "") -> HttpResponse | None:
        """Shows what would go until the user has entered a reason and confirmed; returns None when done."""
        if not all(may_forget(request.user, user) for user in users):
            raise PermissionDenied
        form = ReasonForm(request.POST if confirmed(request) else None)
        form.fields["reason"].help_text = "It stays in the audit: do not name the user."
        if not form.is_valid():
            return confirm(
                self, request, objects=users, action=action, form=form, back=back, title="Forget", button="Forget",
                question="Erase all personal data irrevocably, and close the account? Orders, money and the log stay. "
                + " ".join(self._preview(request, user) for user in users),
            )  # fmt: skip
        for user in users:
            name = user.get_username()
            try:
                forget(user.pk, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
            except StillOpen as error:
                self.message_user(request, f"{name}: {error}", messages.ERROR)
            else:
                self.message_user(request, "Forgotten.", messages.SUCCESS)
        return None

    def _preview(self, request: HttpRequest, user: User) -> str:
        try:
            found = forget(user.pk, actor=actor_of(request.user), reason="", dry_run=True)
        except StillOpen as error:
            return f"{user}: not yet. {error}"
        return f"{user}: {', '.join(f'{count} {what}' for what, count in found.erased.items()) or 'nothing'}."

    def _can_edit(self, request: HttpRequest, obj: Any) -> bool:
        """Only superusers can edit staff, because a new password would give access to their permissions."""
        return obj is None or not obj.is_staff or bool(getattr(request.user, "is_superuser", False))


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedEdits, OneLineNames, DjangoGroupAdmin, ModelAdmin):
    pass
