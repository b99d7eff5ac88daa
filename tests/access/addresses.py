"""Every address of the site, from its URL patterns: a new one is there without being listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver

API, ADMIN = "api/v1/", "admin/"
VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OF_REGEX = re.compile(r"\^?\(\?P<(\w+)>(?:\[[^\]]*\]|[^)])*\)(/?)\$")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    """`text` has its parameters in angle brackets, without their kinds."""

    text: str
    view: Any

    @property
    def parameters(self) -> list[str]:
        return _PARAMETER.findall(self.text)

    def path(self, values: dict[str, str]) -> str:
        """Below the root, with these values as they are: quote them first."""
        return "/" + _PARAMETER.sub(lambda found: values[found[1]], self.text)

    @property
    def methods(self) -> list[str]:
        """Those that the view has a handler for; pages of the admin take GET and POST."""
        view = getattr(self.view, "cls", None) or getattr(self.view, "view_class", None)
        if view is None or self.text.startswith(ADMIN):
            return ["GET", "POST"] if self.text.startswith(ADMIN) else ["GET"]
        return [verb for verb in VERBS if hasattr(view, verb.lower())]

    @property
    def model(self) -> Any:
        """What a page of the admin is about; None for any other."""
        parts = self.text.split("/")
        try:
            return apps.get_model(parts[1], parts[2]) if self.text.startswith(ADMIN) and len(parts) > 3 else None
        except LookupError:
            return None


@cache
def addresses() -> tuple[Address, ...]:
    return tuple(sorted(_below(get_resolver(), ""), key=lambda address: address.text))


def _below(resolver: URLResolver, prefix: str) -> Iterator[Address]:
    for one in resolver.url_patterns:
        text = prefix + _OF_REGEX.sub(r"<\1>\2", str(one.pattern))
        if isinstance(one, URLResolver):
            yield from _below(one, text)
        elif isinstance(one, URLPattern):
            yield Address(_PARAMETER.sub(r"<\1>", text), one.callback)


def bulk_actions(model: Any) -> list[str]:
    """The names of the actions on the list of this model, whoever may use them."""
    of_model = admin.site._registry.get(model)
    if of_model is None or of_model.actions is None:
        return []
    named = [one if isinstance(one, str) else one.__name__ for one in of_model.actions]
    return ["delete_selected", *named]
