"""The stack's settings, with a way to make a web worker die after it has committed and before it has answered."""

from orderproject.settings import *  # noqa: F403
from orderproject.settings import MIDDLEWARE as USUAL

MIDDLEWARE = ["tests.chaos.hurting.web.DyingMiddleware", *USUAL]
