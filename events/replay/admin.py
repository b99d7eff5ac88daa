"""The admin page of replays. Staff can see their progress, start one after a preview of its size, and stop one."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from desk.actors import actor_of
from desk.confirm import ReasonForm, confirm, confirmed
from desk.readonly import NamedActor
from desk.theme import ChoicesCheckboxFilter, Select, TextInput, action, badge, display
from events.errors import Conflict, Refused
from events.models import Replay, ReplayState
from events.replay import replays

COLOURS = {
    ReplayState.RUNNING: "info",
    ReplayState.DONE: "success",
    ReplayState.FAILED: "danger",
    ReplayState.STOPPED: "",
}


class ReplayForm(ReasonForm):
    subscriber = forms.ChoiceField(widget=Select, help_text="Subscribers declared with replay=True")
    since = forms.DateTimeField(required=False, widget=TextInput, help_text="2026-01-15 10:30, in UTC")
    until = forms.DateTimeField(required=False, widget=TextInput, help_text="Exclusive")
    stream = forms.CharField(
        required=False,
        max_length=200,
        widget=TextInput,
        help_text="&lt;kind&gt;:&lt;id&gt;, to replay only this stream",
    )
    field_order = ("subscriber", "since", "until", "stream", "reason")
    scope: replays.Scope

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choice: Any = self.fields["subscriber"]
        choice.choices = [(one.name, one.name) for one in replays.replayable()]

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors:
            narrowed = {name: cleaned[name] for name in ("since", "until", "stream")}
            try:
                self.scope = replays.scope(cleaned["subscriber"], **narrowed)
            except Refused as error:
                self.add_error(None, error.detail)
        return cleaned


@admin.register(Replay)
class ReplayAdmin(NamedActor):
    actor_field = "started_by"
    list_display = ("started_at", "subscriber", "kind", "state_badge", "progress", "handled", "who")
    list_filter = (("state", ChoicesCheckboxFilter),)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        "subscriber", "kind", "state_badge", "progress", "error", "since", "until", "stream", "expected", "handled",
        "delivered", "dead", "who", "started_at", "finished_at",
    )  # fmt: skip
    actions_list = ("start",)
    actions_detail = ("stop_one",)

    def has_replay_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("events.replay")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        running = Replay.objects.filter(id=object_id, state=ReplayState.RUNNING).exists()
        actions: list[Any] = super().get_actions_detail(request, object_id) if running else []
        return actions

    @display(description="Kind")
    def kind(self, replay: Replay) -> str:
        return "rebuild" if replay.build else "deliver again"

    @display(description="State")
    def state_badge(self, replay: Replay) -> SafeString:
        return badge(replay.state, COLOURS[ReplayState(replay.state)])

    @display(description="Progress")
    def progress(self, replay: Replay) -> SafeString:
        share = 1.0 if replay.state == ReplayState.DONE else replays.progress_of(replay).share
        return format_html('<progress value="{}" max="1"></progress> {} %', f"{share:.3f}", round(share * 100))

    @display(description="Finished deliveries")
    def delivered(self, replay: Replay) -> int:
        return replays.progress_of(replay).delivered

    @display(description="Dead deliveries")
    def dead(self, replay: Replay) -> int:
        return replays.progress_of(replay).dead

    @action(description="Start a replay", permissions=["replay"], url_path="start", icon="replay")
    def start(self, request: HttpRequest) -> HttpResponse:
        """Shows the size of the replay first; a POST with `confirmed` starts it."""
        back = reverse("admin:events_replay_changelist")
        form = ReplayForm(request.POST if request.method == "POST" else None)
        if form.is_valid() and confirmed(request) and self._start(request, form):
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "opts": self.model._meta, "media": self.media, "title": "Start a replay", "form": form, "back": back,
            "size": replays.size_of(form.scope) if form.is_valid() else None,
            "rebuilds": form.is_valid() and form.scope.rebuilds,
        }  # fmt: skip
        return TemplateResponse(request, "admin/events/replay.html", context)

    def _start(self, request: HttpRequest, form: ReplayForm) -> bool:
        try:
            replays.start(form.scope, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        except Conflict as error:
            form.add_error(None, str(error))
            return False
        self.message_user(request, "The replay has started.", messages.SUCCESS)
        return True

    @action(description="Stop", permissions=["replay"], url_path="stop", icon="stop")
    def stop_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        page = reverse("admin:events_replay_change", args=[object_id])
        replay = Replay.objects.filter(id=object_id).first()
        form = ReasonForm(request.POST if confirmed(request) else None)
        if replay is None:
            return HttpResponseRedirect(reverse("admin:events_replay_changelist"))
        if not form.is_valid():
            return confirm(
                self, request, objects=[replay], form=form, back=page, button="Stop", title="Stop a replay",
                question="Stop it? Events already delivered stay delivered; an unfinished rebuild is deleted.",
            )  # fmt: skip
        try:
            replays.stop(replay.id, actor=actor_of(request.user), reason=form.cleaned_data["reason"])
        except Refused as error:
            self.message_user(request, error.detail, messages.ERROR)
        return HttpResponseRedirect(page)
