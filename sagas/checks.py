"""What `manage.py check` says of the settings that sagas rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register

from events.setting_checks import problems_of, unscheduled
from sagas.conf import saga_settings

BACKEND = "sagas.results:Backend+"


@register
def saga_settings_are_usable(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    return problems_of(saga_settings, "sagas.E001")


@register
def chords_are_counted(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The address itself is not shown: it may hold a password."""
    backend = str(current_app.conf.result_backend or "")
    if backend.startswith((f"{BACKEND}redis://", f"{BACKEND}rediss://")):
        return []
    return [
        Error(
            f"Celery's result_backend begins with {backend.partition('://')[0]!r}: set CELERY_RESULT_BACKEND to"
            f" '{BACKEND}' followed by the value of REDIS_URL. It counts the finished steps of a saga's stage",
            id="sagas.E002",
        )
    ]


@register
def late_sagas_are_swept(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    needed = unscheduled(("sagas.sweep", 3.0, "It continues sagas whose messages were lost"))
    wanted = unscheduled(("sagas.prune", 60.0, "It deletes finished sagas, which otherwise grow without end"))
    return [Error(sentence, id="sagas.E003") for sentence in needed] + [
        Warning(sentence, id="sagas.W001") for sentence in wanted
    ]
