"""Conditional requests: what the caller has seen, against what there is."""

from __future__ import annotations

from django.utils.http import parse_etags
from rest_framework.exceptions import APIException


class Stale(APIException):
    status_code = 412
    default_code = "stale-version"
    default_detail = "It has changed since you read it: read it again."


def names(header: str, tag: str, *, weak: bool = False) -> bool:
    """Whether the list of entity tags in `header` names `tag`. If-Match compares strongly, If-None-Match weakly."""
    tags = parse_etags(header)
    return tags == ["*"] or tag in tags or (weak and f"W/{tag}" in tags)
