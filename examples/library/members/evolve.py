"""A member as the events tell it. `manage.py verify_log` compares this with the rows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from members.events import DepositRepaid, DepositTaken, MemberJoined


class MemberState(msgspec.Struct, frozen=True):
    balance: Decimal


def evolve(state: MemberState | None, event: Any) -> MemberState:
    """The member after `event`. Pure."""
    match state, event:
        case None, MemberJoined():
            return MemberState(event.paid_in.amount)
        case MemberState(), DepositTaken():
            return MemberState(state.balance - event.amount.amount)
        case MemberState(), DepositRepaid():
            return MemberState(state.balance + event.amount.amount)
    raise TypeError(f"{type(event).__name__} cannot follow {state!r}")
