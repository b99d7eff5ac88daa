"""The stack's settings, and every message twice."""

from orderproject.settings import *  # noqa: F403
from orderproject.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "tests.chaos.doubling"]
