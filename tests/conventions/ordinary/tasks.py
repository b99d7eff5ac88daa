"""Tasks that keep their results, and two that do as a saga's step does."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task
from django.conf import settings
from redis import Redis


@shared_task(name="ordinary.add", queue="streams", ignore_result=False)
def add(left: int, right: int) -> int:
    return left + right


@shared_task(name="ordinary.total", queue="streams", ignore_result=False)
def total(numbers: list[int]) -> int:
    return sum(numbers)


@shared_task(name="ordinary.fail", queue="streams", ignore_result=False)
def fail(message: str) -> None:
    raise ValueError(message)


@shared_task(name="ordinary.sleep", queue="streams", ignore_result=False)
def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "rested"


@shared_task(name="ordinary.forget", queue="streams")
def forget() -> str:
    """Says nothing of its result: CELERY_TASK_IGNORE_RESULT holds."""
    return "forgotten"


@shared_task(name="ordinary.failed", queue="streams", ignore_result=False)
def failed(request: Any, error: Any, traceback: Any) -> None:
    """An error callback, in Celery's new style: it runs in the worker that noticed the failure."""
    Redis.from_url(settings.REDIS_URL).rpush("ordinary:failed", repr(error))


@shared_task(name="ordinary.part", queue="streams", ignore_result=False)
def part(name: str) -> str:
    """Declared as the task of a saga's step is: see sagas/decorators.py."""
    return name


@shared_task(name="ordinary.body", queue="streams")
def body(run_ids: list[str]) -> None:
    Redis.from_url(settings.REDIS_URL).rpush("ordinary:bodies", *run_ids)
