"""Minimal Django settings for django-outbox-pattern. The addresses come from the environment."""

import os
from typing import Any
from urllib.parse import unquote, urlsplit

_database = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = "for the benchmark only"
INSTALLED_APPS = ["django_outbox_pattern"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _database.hostname,
        "PORT": _database.port,
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "NAME": _database.path.lstrip("/"),
        "CONN_MAX_AGE": None,
    }
}
LOGGING = {"version": 1, "disable_existing_loggers": False, "root": {"level": "ERROR"}}
DJANGO_OUTBOX_PATTERN: dict[str, Any] = {
    "DEFAULT_STOMP_HOST_AND_PORTS": [("127.0.0.1", int(os.environ["STOMP_PORT"]))],
    "DEFAULT_PRODUCER_WAITING_TIME": 0,
    "DEFAULT_PUBLISHED_CHUNK_SIZE": 500,
}
