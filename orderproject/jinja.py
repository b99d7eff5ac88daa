"""The environment of Jinja templates, which mails are made of; the settings name it."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment


def environment(**options: Any) -> Environment:
    """Everything is escaped, but what goes into plain text."""
    options["autoescape"] = _is_markup
    made = Environment(**options)  # noqa: S701  # nosec B701  it is escaped, see above
    made.globals.clear()  # range and the like, which no mail needs: to copy them took a third of each letter's time
    return made


def _is_markup(name: str | None) -> bool:
    return name is None or not name.endswith(".txt")
