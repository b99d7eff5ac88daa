"""The events of an order's payment."""

from uuid import UUID

from events import Event, Money, Tone
from events.declare.queues import declare_queue

PAYMENTS = declare_queue("payments")


class PaymentAuthorized(Event, type="payment.authorized", version="1.0", stream="order_id"):
    """The amount is held on the customer's card."""

    order_id: UUID
    amount: Money
    authorization_id: str


class PaymentSucceeded(Event, type="payment.succeeded", version="1.0", stream="order_id", tone=Tone.GOOD):
    """The money is ours."""

    order_id: UUID
    amount: Money


class PaymentFailed(
    Event, type="payment.failed", version="1.0", stream="order_id", tone=Tone.BAD, personal=("detail",)
):
    """The card said no, to the hold or to the capture."""

    order_id: UUID
    reason: str
    detail: str = ""


class PaymentVoided(Event, type="payment.voided", version="1.0", stream="order_id"):
    """The authorization was voided. Nothing is held on the card any more."""

    order_id: UUID


class PaymentRefundFailed(
    Event, type="payment.refund_failed", version="1.0", stream="order_id", tone=Tone.BAD, personal=("detail",)
):
    """A refund failed and is not tried again until an operator repairs the saga.

    `part`: the order, or which of its returns, cancellations of items or requested refunds this is for. `reason` is the
    processor's code, or what kind of error it was. Of an order that is being undone, the money may be held only.
    """

    order_id: UUID
    amount: Money
    part: UUID
    reason: str
    detail: str = ""


class PaymentRefunded(Event, type="payment.refunded", version="1.2", stream="order_id"):
    """Money was refunded. `complete`: together with earlier refunds, the whole amount has been refunded.

    `part`: the order, or which of its returns, cancellations of items or requested refunds this is for; null in events
    before version 1.2. `refund_id` is the processor's; it is empty if a person refunded the money by hand.
    """

    order_id: UUID
    amount: Money
    refund_id: str
    complete: bool = True
    part: UUID | None = None
