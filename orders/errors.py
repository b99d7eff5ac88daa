"""Why an operation on an order or a return is refused."""

from __future__ import annotations

from events import Refused


class IllegalTransition(Exception):
    """The order's status does not allow this operation. Read the order again to see its status."""


class ImpossibleQuantity(Refused):
    """An item names a product that was not ordered, or more of it than can be shipped, cancelled or returned.

    `index` is the position of the item in the request, `field` the name of its invalid field.
    """

    def __init__(self, code: str, index: int, detail: str, *, field: str = "quantity") -> None:
        super().__init__(code, detail)
        self.index = index
        self.field = field


class ImpossibleRefund(Refused):
    """The amount is more than what was paid and not refunded yet, or in another currency than the order."""


class StaleVersion(Exception):
    """The order or the return has changed since the caller read it. Read it again, then retry."""


class UnknownParcel(LookupError):
    """A carrier reports a parcel that no shipment has. It may be shipped later, so it is tried again."""
