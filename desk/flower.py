"""Links to Flower, and who may see it. Its address is the setting FLOWER_URL; without one there are no links."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

PERMISSION = "events.view_flower"


def flower_url() -> str:
    """Without a slash at its end; empty if there is no Flower."""
    return str(settings.FLOWER_URL).rstrip("/") if hasattr(settings, "FLOWER_URL") else ""


def tasks_in_flower(text: str) -> str:
    """The address of Flower's tasks that have this text, such as an order's number, among their arguments; or empty.

    Flower takes from its address only the state, the worker and the name to search for. So this searches for a state
    that no task has, or the arguments.
    """
    url = flower_url()
    return f"{url}/tasks?state={quote(f'NONE OR args:{text}')}" if url else ""
