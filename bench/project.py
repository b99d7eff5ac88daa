"""Configures our project in the process of a benchmark, for the benchmark's servers."""

from __future__ import annotations

import os

import django
from django.apps import apps
from django.conf import settings


def configure(database_url: str, redis_url: str = "redis://127.0.0.1:9/0") -> None:
    """Configures Django once. Without a `redis_url` there is no Valkey, and the caller must not use it."""
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
        import orderproject.celery  # noqa: F401  messages are sent through this application


def make_schema() -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
