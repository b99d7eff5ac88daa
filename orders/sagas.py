"""The sagas of an order, across all services."""

from inventory.steps import commit_stock, hold_stock, release_stock, restock, restock_return, restock_unshipped
from orders.events import OrderCancelled, OrderCreated, OrderItemsCancelled, OrderRefundRequested, OrderReturned
from orders.steps import (
    amounts_due,
    cancel_order,
    cancellation_refunds,
    cancelled_items,
    close_return,
    confirm_order,
    ordered_items,
    refunds_due,
    refunds_of_cancelled,
    requested_refunds,
    returned_items,
)
from payments.steps import (
    authorize_payment,
    capture_payment,
    refund_part,
    refund_payment,
    refund_return,
    void_payment,
)
from sagas import Pivot, Step, Together
from sagas.saga import Saga


class PlaceOrder(Saga, on=OrderCreated):
    """Takes an order from placed to confirmed, or releases the stock, returns the money and cancels the order."""

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
    """Refunds a cancelled order that was confirmed, and restocks its goods, together."""

    stages = (Together(Pivot(refund_payment, given=cancellation_refunds), Pivot(restock)),)


class CancelItems(Saga, on=OrderItemsCancelled, part="cancellation_id"):
    """Refunds items of a partially shipped order that will not be shipped, and restocks them, together."""

    stages = (
        Together(Pivot(refund_part, given=refunds_of_cancelled), Pivot(restock_unshipped, given=cancelled_items)),
    )


class ReturnOrder(Saga, on=OrderReturned, part="return_id"):
    """Refunds what came back of a delivered order, and restocks or writes it off, together. Then the return is over."""

    stages = (
        Together(Pivot(refund_return, given=refunds_due), Pivot(restock_return, given=returned_items)),
        Pivot(close_return),
    )


class RefundOrder(Saga, on=OrderRefundRequested, part="refund_id"):
    """Refunds money that staff give back without a return."""

    stages = (Pivot(refund_part, given=requested_refunds),)
