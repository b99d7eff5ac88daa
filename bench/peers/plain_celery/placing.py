"""Accepts an order: writes its rows and, after the commit, sends the chord that fulfils it."""

from celery import chord
from django.db import transaction

from bench.peers.plain_celery import tasks
from bench.peers.plain_celery.models import Line, Order
from bench.peers.whole.baskets import CURRENCY, EMAIL, Basket


def place(basket: Basket) -> None:
    with transaction.atomic():
        order = Order.objects.create(email=EMAIL, currency=CURRENCY, total=basket.total)
        Line.objects.bulk_create(
            Line(order=order, sku=item.sku, quantity=item.quantity, unit_price=item.unit_price) for item in basket.items
        )
        transaction.on_commit(lambda: fulfil(order))


def fulfil(order: Order) -> None:
    header = [tasks.hold_stock.s(order.pk), tasks.authorize_payment.s(order.pk, str(order.total))]
    chord(header)(tasks.complete.s(order.pk))
