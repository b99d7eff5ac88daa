"""The stack's settings, with handlers that hurt their worker."""

from orderproject.settings import *  # noqa: F403
from orderproject.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "tests.chaos.hurting"]
WORKER_TASK_LIMIT = 5.0  # so that the tests of liveness need not wait for minutes
