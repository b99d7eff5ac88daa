"""The project's settings, with tasks as any Celery user writes them."""

from orderproject.settings import *  # noqa: F403
from orderproject.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "tests.conventions.ordinary"]
