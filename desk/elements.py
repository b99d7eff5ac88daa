"""Badges, buttons and form fields in the look of Unfold, where it is installed, or of plain Django's admin."""

from __future__ import annotations

from django.apps import apps
from django.forms import BoundField
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

WITH_UNFOLD = apps.is_installed("unfold")
LABEL = "unfold/helpers/label.html" if WITH_UNFOLD else "admin/desk/plain/label.html"
BUTTON = "unfold/components/button.html" if WITH_UNFOLD else "admin/desk/plain/button.html"
FIELD = "unfold/helpers/field.html" if WITH_UNFOLD else "admin/desk/plain/field.html"


def badge(text: str, colour: str = "", size: str = "") -> SafeString:
    """A label in one of these colours: info, success, warning, danger, primary; grey without."""
    return _html(LABEL, text=text.replace("_", " "), type=colour, size=size)


def button(text: str, **options: object) -> SafeString:
    """A link with `href`, else a button of the form. `variant`: default, primary or danger."""
    return _html(BUTTON, children=text, **options)


def field(bound: BoundField) -> SafeString:
    """A field of a form with its label, its help and its errors."""
    return _html(FIELD, field=bound)


def _html(template: str, **context: object) -> SafeString:
    return mark_safe(render_to_string(template, context))  # noqa: S308  a template escaped it  # nosec B308 B703
