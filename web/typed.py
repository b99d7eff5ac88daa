"""Thread-safe conversion of JSON to structs.

msgspec 0.22 inspects a struct's fields on first use. A second thread that uses the same struct meanwhile sees a
partial result, and the process crashes. These functions let only one thread inspect a type at a time.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_known: set[type] = set()
_one_at_a_time = threading.Lock()


def convert(data: Any, kind: type[T]) -> T:
    """Converts data to `kind`. Raises msgspec.ValidationError, whose message names the path of the invalid value."""
    if kind not in _known:
        decoder(kind)
        _known.add(kind)
    return msgspec.convert(data, kind)


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """A decoder. `decode` raises msgspec.ValidationError for invalid data, msgspec.DecodeError for malformed JSON."""
    with _one_at_a_time:
        return msgspec.json.Decoder(kind)
