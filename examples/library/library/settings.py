"""The settings of the library. DATABASE_URL and REDIS_URL come from the environment."""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from events.worker.broker_queues import BrokerQueues
from events.worker.periodic_tasks import PeriodicTasks

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = os.environ.get("SECRET_KEY", "only-for-this-example-" + "0" * 40)
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
ROOT_URLCONF = "library.urls"
USE_TZ = True
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    # the kernel
    "desk",
    "events",
    "sagas",
    # the services
    "lending",
    "members",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


# --- PostgreSQL. The kernel refuses every other database, and `manage.py check` says so.
def database(url: str) -> dict[str, Any]:
    """A database from an address such as postgres://user:password@host:5432/name or sqlite:///file."""
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": name}
    return {
        "ENGINE": "events.db.engine",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
    }


DATABASES = {"default": database(os.environ.get("DATABASE_URL", "postgres://library@127.0.0.1:5432/library"))}

# --- Valkey or Redis: the broker, the counters of sagas, hints to the relay
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")

# --- Celery: what events and sagas rely on. Leave one out, and `manage.py check` names it.
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = f"sagas.results:Backend+{REDIS_URL}"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_ROUTES = ("events.declare.routing.route",)
CELERY_TASK_QUEUES = BrokerQueues()
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "streams"
CELERY_WORKER_CONSUMER = "events.worker.consumer:Consumer"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULE = PeriodicTasks()  # each application declares its own, in its apps.py

# --- The kernel's own settings have defaults; this one links a saga to what it is about.
SAGA_SUBJECT_PAGE = "admin:lending_loan_change"
