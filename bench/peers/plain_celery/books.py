"""Queries of progress and the reconciliation of all rows."""

from django.db import connection
from django.db.models import Count, Max, Q, Sum

from bench.peers.plain_celery.models import Line, Order, Payment, Status, Stock
from bench.peers.whole.baskets import PLENTY, SKUS
from bench.peers.whole.runs import Times


def last_order() -> int:
    return int(Order.objects.aggregate(last=Max("pk"))["last"] or 0)


def finished(after: int) -> int:
    return Order.objects.filter(pk__gt=after, mailed_at__isnull=False).count()


def times(after: int) -> list[Times]:
    rows = Order.objects.filter(pk__gt=after, mailed_at__isnull=False).values_list(
        "created_at", "payment__begun_at", "confirmed_at", "mailed_at"
    )
    return [Times(*row) for row in rows]


def problems() -> list[str]:
    """The problems of all orders. Works with any connection."""
    found = []
    orders = Order.objects.aggregate(
        placed=Count("pk"), confirmed=Count("pk", filter=Q(status=Status.CONFIRMED)), mails=Sum("mails")
    )
    placed = orders["placed"]
    if orders["confirmed"] != placed:
        found.append(f"{orders['confirmed']} of {placed} orders are confirmed")
    if wrong := Order.objects.exclude(mails=1).count():
        found.append(f"{wrong} orders were not mailed exactly once")
    captured = Payment.objects.filter(status=Payment.Status.CAPTURED).count()
    if captured != placed:
        found.append(f"{captured} payments are captured for {placed} orders")
    sold = dict(Line.objects.values_list("sku").annotate(Sum("quantity")))
    for stock in Stock.objects.all():
        expected = sold.get(stock.sku, 0)
        if (stock.available, stock.held, stock.sold) != (PLENTY - expected, 0, expected):
            found.append(f"{stock.sku}: {stock.available} available, {stock.held} held, {stock.sold} sold, ")
            found[-1] += f"where {expected} were ordered"
    return found


def seed() -> None:
    Stock.objects.bulk_create(Stock(sku=sku, available=PLENTY) for sku in SKUS)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
