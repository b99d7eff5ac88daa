"""The saga steps of the inventory service."""

from collections.abc import Sequence

from events import Refused
from inventory import services
from inventory.events import INVENTORY
from sagas import Call, Refusals
from sagas.decorators import action


@action(queue=INVENTORY)
def hold_stock(calls: Sequence[Call]) -> Refusals:
    """Holds stock for each order; `input` is its (SKU, quantity) lines. Refuses with `out_of_stock`. Idempotent."""
    short = services.hold({call.subject: call.input for call in calls})
    return {
        order_id: Refused(
            "out_of_stock",
            "; ".join(f"{one.sku}: {one.wanted} wanted, {one.available} available" for one in shortages),
        )
        for order_id, shortages in short.items()
    }


@action(queue=INVENTORY)
def release_stock(calls: Sequence[Call]) -> None:
    """Releases what is held; does nothing where nothing is."""
    by_reason: dict[str, list[Call]] = {}
    for call in calls:
        by_reason.setdefault(call.reason_code or "released", []).append(call)
    for reason, together in by_reason.items():
        services.release([call.subject for call in together], reason)


@action(queue=INVENTORY)
def commit_stock(calls: Sequence[Call]) -> None:
    """Takes the held goods out of stock. Raises HoldLost."""
    services.commit([call.subject for call in calls])


@action(queue=INVENTORY)
def restock(calls: Sequence[Call]) -> None:
    """What had left the stock for a cancelled order comes back."""
    services.restock([call.subject for call in calls])


@action(queue=INVENTORY)
def restock_return(calls: Sequence[Call]) -> None:
    """What came back is for sale again, or written off.

    `input` is (order, warehouse, what to restock, what to write off), with (SKU, quantity) lines.
    """
    services.take_back([services.Arrival(call.subject, *call.input) for call in calls])


@action(queue=INVENTORY)
def restock_unshipped(calls: Sequence[Call]) -> None:
    """Items that were cancelled before they were shipped come back; `input` is (order, its (SKU, quantity) lines)."""
    services.restock_items([call.input for call in calls], unshipped=True)
