"""The JSON parser and renderer of all views: strict input, msgspec types as output."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import isinf
from typing import IO, Any

import msgspec
from rest_framework.exceptions import ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

MAX_REPORTED_DEPTH = 20
"""Errors at deeper levels are reported without a pointer. No valid body is nested this deeply."""


def _text(value: Any) -> str:
    """Django REST framework's own sentences are a kind of text that msgspec does not know."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is not known in JSON")


encode = msgspec.json.Encoder(enc_hook=_text, decimal_format="string").encode


def _number(text: str) -> float | int:
    """Decodes 2.0 as the integer 2, as JSON Schema and JavaScript do."""
    number = float(text)
    if isinf(number):
        raise ValueError("number out of range")
    return int(number) if number.is_integer() else number


decode = msgspec.json.Decoder(float_hook=_number).decode


_NAME = re.compile(rb'"\s*:')
"""The end of a name in an object, or part of a text that looks like it."""
MAX_QUOTED = 100
"""Characters of a client's name that an error message quotes."""


class JSONParser(BaseParser):
    """Parses JSON in UTF-8. Refuses NUL characters, which PostgreSQL cannot store, and names that occur twice.

    RFC 8259 leaves open which of two equal names counts. A proxy that reads the other one has checked another request.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        # Django's `body` enforces DATA_UPLOAD_MAX_MEMORY_SIZE and can be read again; the stream does neither.
        body: bytes = parser_context["request"].body if parser_context else stream.read()
        try:
            data = decode(body)
            nul = next(_nul(data, ()), None) if b"\\u0000" in body else None
            _refuse_repeated_names(body, data)
        except RecursionError as error:
            raise ParseError("The JSON is nested too deeply.") from error
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except msgspec.DecodeError as error:
            raise ParseError(f"The body is not JSON: {error}.") from error
        if nul is None:
            return data
        if len(nul) > MAX_REPORTED_DEPTH:
            raise ParseError("Remove the NUL character.")
        raise ValidationError(_nested(nul, "Remove the NUL character."))


def _refuse_repeated_names(body: bytes, data: Any) -> None:
    """Counts first, because that costs little, and parses a second time only if the numbers differ."""
    if len(_NAME.findall(body)) > _names_in(data):
        json.loads(body, object_pairs_hook=_each_once)


def _names_in(data: Any) -> int:
    if isinstance(data, dict):
        return len(data) + sum(map(_names_in, data.values()))
    return sum(map(_names_in, data)) if isinstance(data, list) else 0


def _each_once(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise ParseError(f"The name {name[:MAX_QUOTED]!r} occurs more than once in an object. Send it once.")
        seen.add(name)


def _nul(data: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of all values and names that contain a NUL character."""
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
    """Renders decimals as text, times in RFC 3339, and msgspec structs with their declared field names."""

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
