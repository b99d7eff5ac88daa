"""What sagas do to stock."""

from collections.abc import Sequence

from events import Queue, Refused
from inventory import services
from sagas import Call, Refusals, action


@action(queue=Queue.INVENTORY)
def hold_stock(calls: Sequence[Call]) -> Refusals:
    """Holds what each order wants; `given` is its (SKU, quantity) lines. Refuses with `out_of_stock`."""
    short = services.hold({call.subject: call.given for call in calls})
    return {
        order_id: Refused(
            "out_of_stock",
            "; ".join(f"{one.sku}: {one.wanted} wanted, {one.available} available" for one in shortages),
        )
        for order_id, shortages in short.items()
    }


@action(queue=Queue.INVENTORY)
def release_stock(calls: Sequence[Call]) -> None:
    """Gives up what is held; nothing where nothing is."""
    by_reason: dict[str, list[Call]] = {}
    for call in calls:
        by_reason.setdefault(call.reason_code or "released", []).append(call)
    for reason, together in by_reason.items():
        services.release([call.subject for call in together], reason)


@action(queue=Queue.INVENTORY)
def commit_stock(calls: Sequence[Call]) -> None:
    """What was held leaves the stock."""
    services.commit([call.subject for call in calls])


@action(queue=Queue.INVENTORY)
def restock(calls: Sequence[Call]) -> None:
    """What had left the stock for a cancelled order comes back."""
    services.put_back([call.subject for call in calls])


@action(queue=Queue.INVENTORY)
def restock_return(calls: Sequence[Call]) -> None:
    """What a customer gives back is for sale again; `given` is (order, its (SKU, quantity) lines)."""
    services.take_back([call.given for call in calls])
