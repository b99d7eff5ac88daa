"""Conditional requests with entity tags (RFC 9110)."""

from __future__ import annotations

from django.utils.http import parse_etags
from rest_framework.exceptions import APIException


class Stale(APIException):
    status_code = 412
    default_code = "stale-version"
    default_detail = "The resource has changed since you read it: read it again and retry."


def names(header: str, tag: str, *, weak: bool = False) -> bool:
    """Whether the list of entity tags in `header` contains `tag`. Use `weak` for If-None-Match, not for If-Match."""
    tags = parse_etags(header)
    return tags == ["*"] or tag in tags or (weak and f"W/{tag}" in tags)
