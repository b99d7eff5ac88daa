"""JSON into structs, from any thread.

msgspec (0.22) looks at a struct's fields when something is first converted into it, and a second thread that comes
meanwhile finds them half known: the process dies of it. Here each type is looked at by one thread at a time.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_known: set[type] = set()
_one_at_a_time = threading.Lock()


def convert(data: Any, kind: type[T]) -> T:
    """Raises msgspec.ValidationError, with the place of what does not fit."""
    if kind not in _known:
        decoder(kind)
        _known.add(kind)
    return msgspec.convert(data, kind)


def decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """Its `decode` raises msgspec.ValidationError for what does not fit, msgspec.DecodeError for what is no JSON."""
    with _one_at_a_time:
        return msgspec.json.Decoder(kind)
