"""Orders with a past, written row by row: what the admin shows of sagas that no worker ran."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from events import Money
from events.log.append import emit
from events.models import Attempt, Delivery, DeliveryState
from inventory.events import Allocation, InventoryReleased
from inventory.models import Product, Reservation, Stock, Warehouse
from notifications.events import NotificationSent
from notifications.models import Kind, Notification
from orders.events import Item
from orders.models import Order, OrderLine
from payments.models import Payment
from sagas.models import SagaRun, SagaStep
from sagas.plan import RunState, StepState

ADDRESS = {"name": "Ada", "line1": "Main Street 1", "city": "Berlin", "postalCode": "10115", "country": "DE"}


def shop(sku: str = "MUG-RED", on_hand: int = 50, held: int = 0) -> Stock:
    product, _ = Product.objects.get_or_create(sku=sku, defaults={"name": "Red mug", "price": "9.90"})
    warehouse, _ = Warehouse.objects.get_or_create(code="BER", defaults={"name": "Berlin"})
    return Stock.objects.create(product=product, warehouse=warehouse, on_hand=on_hand, held=held)


def placed(*, email: str = "ada@example.com", name: str = "Red mug", lines: int = 1) -> Order:
    """With its first event and the delivery that would start its saga."""
    items = tuple(Item(sku=f"MUG-{n}", quantity=2, unit_price=Money(Decimal("9.90"), "EUR")) for n in range(lines))
    order = Order.place(
        customer_id=uuid4(), email=email, payment_token="tok_visa", shipping_address=ADDRESS, items=items
    )
    order.save()
    OrderLine.objects.bulk_create(
        OrderLine(order=order, position=n, sku=item.sku, name=name, quantity=2, unit_price=item.unit_price.amount)
        for n, item in enumerate(items)
    )
    return order


def confirmed(**options: str) -> Order:
    order = placed(**options)  # type: ignore[arg-type]
    allocations = [Allocation(sku="MUG-0", warehouse="BER", quantity=2)]
    reservation = Reservation(order_id=order.id)
    reservation.hold(allocations)
    reservation.commit(allocations)
    reservation.save()
    payment = payment_of(order)
    payment.authorize("auth_1")
    payment.succeed()
    payment.save()
    order.confirm()
    order.save()
    done = ["hold_stock", "authorize_payment", "capture_payment", "commit_stock", "confirm_order"]
    saga_run(order.id, RunState.DONE, dict.fromkeys(done, StepState.DONE))
    told(order, Kind.CONFIRMATION)
    settle_deliveries(order)
    return order


def capture_failed() -> Order:
    order = placed()
    payment = payment_of(order)
    payment.authorize("auth_1")
    payment.fail("capture_failed", "The card's bank refused the capture.")
    payment.void()
    payment.save()
    emit([InventoryReleased(order_id=order.id, reason="capture_failed")])
    order.cancel("capture_failed", "The card's bank refused the capture.")
    order.save()
    steps = {
        "cancel_order": StepState.UNDONE,
        "hold_stock": StepState.UNDONE,
        "authorize_payment": StepState.UNDONE,
        "capture_payment": StepState.REFUSED,
    }
    run = saga_run(order.id, RunState.UNDONE, steps, reason=("capture_failed", "The card's bank refused the capture."))
    SagaStep.objects.filter(run=run, name="capture_payment").update(
        attempts=3, error_code="capture_failed", error="The card's bank refused the capture."
    )
    told(order, Kind.CANCELLATION)
    settle_deliveries(order)
    return order


def stuck() -> Order:
    order = placed()
    steps = {
        "hold_stock": StepState.UNDONE,
        "authorize_payment": StepState.STUCK,
        "capture_payment": StepState.FAILED,
    }
    run = saga_run(order.id, RunState.STUCK, steps, reason=("capture_payment_failed", ""))
    SagaStep.objects.filter(run=run, name="authorize_payment").update(
        attempts=8, error_code="GatewayUnavailable", error="<b>503</b> from the gateway, again and again"
    )
    return order


def saga_run(
    order_id: UUID, state: RunState, steps: dict[str, StepState], *, saga: str = "PlaceOrder",
    reason: tuple[str, str] = ("", ""),
) -> SagaRun:  # fmt: skip
    now = datetime.now(UTC)
    ended = state in {RunState.DONE, RunState.UNDONE}
    run = SagaRun.objects.create(
        id=uuid7(), saga=saga, subject=order_id, state=state, reason_code=reason[0], reason=reason[1],
        started_at=now, finished_at=now + timedelta(milliseconds=270) if ended else None,
    )  # fmt: skip
    for number, (name, step_state) in enumerate(steps.items()):
        begun = now + timedelta(milliseconds=10 * number)
        done = None if step_state in {StepState.WAITING, StepState.UNDOING} else begun + timedelta(milliseconds=7)
        SagaStep.objects.create(run=run, name=name, state=step_state, begun_at=begun, done_at=done)
    return run


def told(order: Order, kind: Kind, html: str = "<p>Hello <b>Ada</b></p>") -> Notification:
    letter = Notification.objects.create(
        order_id=order.id, about=order.id, kind=kind, recipient=order.email, subject=f"Your order {order.number}",
        text="Hello Ada,\n\nall is well.", html=html, sent_at=datetime.now(UTC),
    )  # fmt: skip
    emit([NotificationSent(order_id=order.id, notification_id=letter.id, kind=kind)])
    return letter


def dead_delivery(order: Order, *, error: str = "the mail server is away", attempts: int = 3) -> Delivery:
    delivery = deliveries_of(order)[0]
    delivery.state, delivery.attempts, delivery.done_at = DeliveryState.DEAD, attempts, None
    delivery.save()
    for number in range(1, attempts + 1):
        Attempt.objects.create(
            delivery=delivery, number=number, error_type="smtplib.SMTPServerDisconnected", error=error,
            traceback=f"Traceback (most recent call last):\n  File …\n{error}", worker="network@shop",
            duration_ms=12, at=datetime.now(UTC),
        )  # fmt: skip
    return delivery


def deliveries_of(order: Order) -> list[Delivery]:
    return list(Delivery.objects.filter(event__stream=f"order:{order.id}").order_by("id"))


def settle_deliveries(order: Order) -> None:
    ids = [delivery.id for delivery in deliveries_of(order)]
    Delivery.objects.filter(id__in=ids).update(state=DeliveryState.DONE, done_at=datetime.now(UTC))


def payment_of(order: Order) -> Payment:
    return Payment(
        order_id=order.id, token="tok", amount=order.total, currency=order.currency, authorization_key=str(order.id)
    )
