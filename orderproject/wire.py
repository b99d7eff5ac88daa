"""JSON in and out, the same for every view: strict on the way in, msgspec's types on the way out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isinf
from typing import IO, Any

import msgspec
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

DEEPEST = 20
"""Levels to which a place is told; nothing that fits a schema is as deep."""

encode = msgspec.json.Encoder(decimal_format="string").encode


def _number(text: str) -> float | int:
    """In JSON 2.0 is as good an integer as 2: JSON Schema says so, and JavaScript knows no other."""
    number = float(text)
    if isinf(number):
        raise ValueError("Number out of range")
    return int(number) if number.is_integer() else number


decode = msgspec.json.Decoder(float_hook=_number).decode


class JSONParser(BaseParser):
    """Refuses what is not JSON in UTF-8, and NUL, which PostgreSQL cannot store."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        # Not from the stream: Django's own `body` keeps to DATA_UPLOAD_MAX_MEMORY_SIZE, and may be read again.
        body: bytes = parser_context["request"].body if parser_context else stream.read()
        try:
            data = decode(body)
            nul = next(_nul(data, ()), None) if b"\\u0000" in body else None
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except msgspec.DecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        if nul is None:
            return data
        if len(nul) > DEEPEST:
            raise ParseError("A NUL character is not allowed.")
        raise ValidationError(_nested(nul, "A NUL character is not allowed."))


def _nul(data: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where a NUL is, in a text or in a name."""
    if isinstance(data, str) and "\0" in data:
        yield path
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _nul(item, (*path, str(index)))
    elif isinstance(data, dict):
        for name, item in data.items():
            yield from _nul(name, (*path, name))
            yield from _nul(item, (*path, name))


def _nested(path: tuple[str, ...], message: str) -> Any:
    detail: Any = [message]
    for name in reversed(path):
        detail = {name: detail}
    return detail


class JSONRenderer(BaseRenderer):
    """Decimals as text, times in RFC 3339, msgspec's structs as they declare themselves."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "text"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return b"" if data is None else encode(data)
