"""The project around the services: settings, URLs, Celery, the one-command stack."""

from orderproject.celery import app as celery_app

__all__ = ["celery_app"]
