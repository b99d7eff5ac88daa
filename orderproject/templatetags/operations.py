"""`{% load operations %}`: numbers as the operations page shows them."""

from django import template

from orderproject.operations.format import Unit, shown

register = template.Library()
register.filter("shown", shown)


@register.filter
def duration(seconds: float | None) -> str:
    return shown(seconds, Unit.SECONDS)
