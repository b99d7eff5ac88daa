"""What happens to the money of an order."""

from uuid import UUID

from events import Event, Money


class PaymentAuthorized(Event, type="payment.authorized", version="1.0", stream="order_id"):
    """The money is held on the customer's card."""

    order_id: UUID
    amount: Money
    authorization_id: str


class PaymentSucceeded(Event, type="payment.succeeded", version="1.0", stream="order_id"):
    """The money is ours."""

    order_id: UUID
    amount: Money


class PaymentFailed(Event, type="payment.failed", version="1.0", stream="order_id"):
    """The card said no, to the hold or to the capture."""

    order_id: UUID
    reason: str
    detail: str = ""


class PaymentVoided(Event, type="payment.voided", version="1.0", stream="order_id"):
    """Whatever was held is held no longer."""

    order_id: UUID


class PaymentRefunded(Event, type="payment.refunded", version="1.1", stream="order_id"):
    """Money went back to the customer. `complete`: all of it, now or together with earlier refunds."""

    order_id: UUID
    amount: Money
    refund_id: str
    complete: bool = True
