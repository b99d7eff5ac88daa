"""`{% load desk %}`: what the admin templates are made of, in the look of Unfold or of plain Django."""

from django import template

from desk import elements
from desk.actors import name_of

register = template.Library()
register.simple_tag(elements.badge, name="badge")
register.simple_tag(elements.button, name="button")
register.simple_tag(elements.field, name="field")
register.filter("name_of", name_of)
