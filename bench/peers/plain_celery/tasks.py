"""The tasks. Each is idempotent: the rows record what is done, and the gateway acts once per key."""

from decimal import Decimal
from functools import cache
from typing import Any

from celery import shared_task
from django.core.mail import send_mail
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from bench.peers.plain_celery.models import Line, Order, Payment, Status, Stock
from bench.peers.plain_celery.settings import IGNORE_HEADER_RESULTS
from bench.peers.whole import gateway

RETRIED: dict[str, Any] = {
    "autoretry_for": (gateway.GatewayUnavailable, OperationalError),
    "retry_backoff": True,
    "retry_backoff_max": 60,
    "max_retries": 8,
}


@cache
def processor() -> gateway.Gateway:
    return gateway.chosen()


@shared_task(ignore_result=IGNORE_HEADER_RESULTS, **RETRIED)
def hold_stock(order_id: int) -> bool:
    """Holds the stock of all lines or of none; returns whether it is held."""
    with transaction.atomic():
        lines = list(Line.objects.select_for_update().filter(order_id=order_id).order_by("sku"))
        if lines[0].held:
            return True
        if not all(take(line) for line in lines):
            transaction.set_rollback(True)
            return False
        Line.objects.filter(order_id=order_id).update(held=True)
    return True


def take(line: Line) -> bool:
    """Holds one line; returns False if the stock is too low, because the condition in the UPDATE fails."""
    enough = Stock.objects.filter(sku=line.sku, available__gte=line.quantity)
    return bool(enough.update(available=F("available") - line.quantity, held=F("held") + line.quantity))


@shared_task(ignore_result=IGNORE_HEADER_RESULTS, **RETRIED)
def authorize_payment(order_id: int, total: str) -> str:
    """Returns the authorization's id, or "" if the card was declined."""
    begun = timezone.now()
    amount = Decimal(total)
    try:
        authorization = processor().authorize(f"order-{order_id}", amount, key=f"authorize-{order_id}")
    except gateway.Declined:
        return ""
    payment = Payment(order_id=order_id, authorization=authorization, amount=amount, begun_at=begun)
    Payment.objects.bulk_create([payment], ignore_conflicts=True)
    return authorization


@shared_task(**RETRIED)
def complete(outcomes: tuple[bool, str], order_id: int) -> None:
    """Captures the payment, sells the held stock and confirms; or releases and voids everything."""
    held, authorization = outcomes
    if not (held and authorization):
        cancel(order_id, held, authorization)
        return
    processor().capture(authorization, key=f"capture-{order_id}")
    with transaction.atomic():
        payment = Payment.objects.filter(order_id=order_id, status=Payment.Status.AUTHORIZED)
        if payment.update(status=Payment.Status.CAPTURED, captured_at=timezone.now()):
            for line in Line.objects.filter(order_id=order_id).order_by("sku"):
                Stock.objects.filter(sku=line.sku).update(
                    held=F("held") - line.quantity, sold=F("sold") + line.quantity
                )
            Order.objects.filter(pk=order_id).update(status=Status.CONFIRMED, confirmed_at=timezone.now())
        transaction.on_commit(lambda: send_confirmation.delay(order_id))


def cancel(order_id: int, held: bool, authorization: str) -> None:
    if authorization:
        processor().void(f"authorize-{order_id}", key=f"void-{order_id}")
    with transaction.atomic():
        if Order.objects.filter(pk=order_id, status=Status.PLACED).update(status=Status.CANCELLED) and held:
            for line in Line.objects.filter(order_id=order_id).order_by("sku"):
                Stock.objects.filter(sku=line.sku).update(
                    held=F("held") - line.quantity, available=F("available") + line.quantity
                )
        Payment.objects.filter(order_id=order_id).update(status=Payment.Status.VOIDED)


@shared_task(**RETRIED)
def send_confirmation(order_id: int) -> None:
    order = Order.objects.get(pk=order_id)
    if order.mailed_at:
        return
    send_mail(
        subject=f"Your order {order.pk}",
        message=f"Thank you. Your order {order.pk} over {order.total} {order.currency} is confirmed.",
        from_email=None,
        recipient_list=[order.email],
    )
    Order.objects.filter(pk=order_id).update(mailed_at=timezone.now(), mails=F("mails") + 1)
