"""A loan as its events tell it. `manage.py verify_log` compares this with the rows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from lending.events import LoanConfirmed, LoanRefused, LoanRequested


class LoanState(msgspec.Struct, frozen=True):
    """All of a loan that is in the log."""

    member_id: UUID
    isbn: str
    status: str = "requested"
    reason: str = ""


def evolve(state: LoanState | None, event: Any) -> LoanState:
    """The loan after `event`. Pure."""
    match state, event:
        case None, LoanRequested():
            return LoanState(event.member_id, event.isbn)
        case LoanState(), LoanConfirmed():
            return replace(state, status="confirmed")
        case LoanState(), LoanRefused():
            return replace(state, status="refused", reason=event.reason)
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")
