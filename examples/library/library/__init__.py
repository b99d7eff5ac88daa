"""The project around the two services."""

from library.celery import app as celery_app

__all__ = ["celery_app"]
