"""Our own project in the process of a benchmark, over the servers of the benchmark."""

from __future__ import annotations

import os

import django
from django.apps import apps
from django.conf import settings


def configure(database_url: str, redis_url: str = "redis://127.0.0.1:9/0") -> None:
    """Loads the project, if nobody has done so. Without a `redis_url` there is none, and nobody may ask it."""
    if not settings.configured:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orderproject.settings")
        os.environ |= {
            "ENVIRONMENT": "stack",
            "DATABASE_URL": database_url,
            "BROKER_URL": redis_url,
            "REDIS_URL": redis_url,
        }
    if not apps.ready:
        django.setup()
        import orderproject.celery  # noqa: F401  what is sent goes by way of this application


def make_schema() -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
