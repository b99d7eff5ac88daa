"""The processes that an order goes through, over all services."""

from inventory.steps import commit_stock, hold_stock, release_stock, restock, restock_return
from orders.events import OrderCancelled, OrderCreated, OrderReturned
from orders.steps import amounts_due, cancel_order, confirm_order, ordered_items, refunds_due, returned_items
from payments.steps import authorize_payment, capture_payment, refund_payment, refund_return, void_payment
from sagas import Pivot, Saga, Step, Together


class PlaceOrder(Saga, on=OrderCreated):
    """From a placed order to a confirmed one; or back, with stock, money and order as if nothing had been."""

    stages = (
        Step(undo=cancel_order),
        Together(
            Step(hold_stock, undo=release_stock, given=ordered_items),
            Step(authorize_payment, undo=void_payment, given=amounts_due),
        ),
        Step(capture_payment, undo=refund_payment),
        Pivot(commit_stock),
        Pivot(confirm_order),
    )


class CancelOrder(Saga, on=OrderCancelled, when=lambda event: event.was_confirmed):
    """What a confirmed order had taken is given back: the money and the goods, together."""

    stages = (Together(Pivot(refund_payment), Pivot(restock)),)


class ReturnOrder(Saga, on=OrderReturned, part="return_id"):
    """What a customer gives back of a delivered order: its part of the money and the goods, together."""

    stages = (Together(Pivot(refund_return, given=refunds_due), Pivot(restock_return, given=returned_items)),)
