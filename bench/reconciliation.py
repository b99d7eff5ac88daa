"""What must hold after every scenario: the checks of the tests, and where no processor keeps books, of our own rows."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import F

from events.models import StoredEvent
from events.verify import differences
from notifications.models import Notification
from orders.models import Order
from payments.models import Payment
from tests.reconcile.goods import goods
from tests.reconcile.history import history
from tests.reconcile.mail import TOLD
from tests.reconcile.money import money
from tests.reconcile.statuses import KEPT
from tests.reconcile.work import work

MOST = 20
"""Sentences that are kept; the last one then says how many there were."""
SINCE = """
WITH placed AS (SELECT id, status, total FROM orders_order WHERE id > %(last)s)
SELECT (SELECT count(*) FROM placed) AS orders,
       (SELECT count(*) FROM placed WHERE status = 'confirmed') AS confirmed,
       (SELECT count(*) FROM placed JOIN payments_payment ON order_id = id AND amount = total
        WHERE payments_payment.status = 'succeeded') AS payments,
       (SELECT count(*) FROM placed JOIN notifications_notification mail ON order_id = placed.id
        AND kind = 'confirmation' AND sent_at IS NOT NULL) AS mails,
       (SELECT count(*) FROM placed JOIN sagas_sagarun run ON subject = placed.id AND state = 'done') AS sagas,
       (SELECT count(*) FROM placed JOIN inventory_reservation ON order_id = id AND state = 'committed') AS goods,
       (SELECT count(*) FROM placed JOIN events_storedevent ON stream = 'order:' || placed.id
        AND type = 'order.confirmed') AS told
"""
GOODS = """
SELECT product_id, on_hand, held, coalesce(sold, 0)
FROM (SELECT product_id, sum(on_hand) AS on_hand, sum(held) AS held FROM inventory_stock GROUP BY 1) AS stock
LEFT JOIN (
    SELECT sku, sum(quantity - returned_quantity) AS sold
    FROM orders_orderline JOIN orders_order ON orders_order.id = order_id WHERE status <> 'cancelled' GROUP BY 1
) AS lines ON sku = product_id
"""
KINDS = {"confirmed": "confirmation", "cancelled": "cancellation", "shipped": "shipment", "returned": "return"}


def reconcile(stocked: dict[str, int], sandbox_url: str = "") -> list[str]:
    """All that does not add up, as sentences. `stocked` is what was on hand before the first order.

    Without a sandbox the processor's books went with the process that kept them: then payments must agree with
    orders and with the log.
    """
    paid = money(sandbox_url) if sandbox_url else [*_payments(), *_told()]
    found = [*differences(), *work(), *history(), *goods(stocked), *paid, *_mails()]
    return [*found[:MOST], f"{len(found)} problems in all"] if len(found) > MOST else found


def reconcile_since(last: UUID, stocked: dict[str, int]) -> list[str]:
    """The same in sums, of the orders after `last`: for tables that are too long to be read line by line."""
    with connection.cursor() as cursor:
        cursor.execute(SINCE, {"last": last})
        counts = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    orders = counts.pop("orders")
    wrong = [f"{name} are {count}, of {orders} orders" for name, count in counts.items() if count != orders]
    return [*wrong, *goods_in_sum(stocked)]


def goods_in_sum(stocked: dict[str, int]) -> list[str]:
    """What left the stock is what is on the lines of all orders that were confirmed."""
    with connection.cursor() as cursor:
        cursor.execute(GOODS)
        found = {sku: (on_hand, held, sold) for sku, on_hand, held, sold in cursor.fetchall()}
    return [
        f"{sku}: {before} - {found[sku][2]} sold is not {found[sku][0]}, or some are held: {found[sku][1]}"
        for sku, before in stocked.items()
        if found[sku] != (before - found[sku][2], 0, found[sku][2])
    ]


def _payments() -> list[str]:
    """Whoever keeps goods has paid their price; a cancelled order has paid nothing, or got all of it back."""
    rows = Payment.objects.values_list("order_id", "status", "amount", "refunded")
    payments = {id_: (status, amount, refunded) for id_, status, amount, refunded in rows}
    problems = []
    for id_, status, total in Order.objects.values_list("id", "status", "total"):
        payment = payments.pop(id_, None)
        if status in KEPT:
            right = payment == ("succeeded", total, Decimal(0))
        else:
            right = payment is None or payment[0] in {"failed", "voided"} or payment == ("refunded", total, total)
        if not right:
            problems.append(f"order {id_} is {status} over {total}; its payment is {payment}")
    return [*problems, *(f"there is a payment for {id_}, which is no order" for id_ in payments)]


def _told() -> list[str]:
    """The log tells once of each payment that succeeded, and of no other."""
    succeeded = {
        f"payment:{id_}" for id_ in Payment.objects.filter(status="succeeded").values_list("order_id", flat=True)
    }
    told = Counter(StoredEvent.objects.filter(type="payment.succeeded").values_list("stream", flat=True))
    return [
        *(f"{stream} succeeded {count} times" for stream, count in told.items() if count > 1),
        *(f"{stream} succeeded by the log only or by its row only" for stream in succeeded ^ told.keys()),
    ]


def _mails() -> list[str]:
    """One for each order that was confirmed or cancelled, sent once, and told in the log."""
    wanted = Counter(
        (stream.partition(":")[2], KINDS[TOLD[type_]])
        for stream, type_ in StoredEvent.objects.filter(type__in=TOLD).values_list("stream", "type")
    )
    rows = Notification.objects.values_list("order_id", "kind")
    found = Counter((str(order_id), kind) for order_id, kind in rows)
    unsent = Notification.objects.filter(sent_at=None).count()
    sent = Counter(
        StoredEvent.objects.filter(type="notification.sent").values_list(F("data__notificationId"), flat=True)
    )
    kept = {str(id_) for id_ in Notification.objects.values_list("id", flat=True)}
    return [
        *(f"{count} mails too many, {kind} of order {order}" for (order, kind), count in (found - wanted).items()),
        *(f"no mail, {kind} of order {order}" for order, kind in wanted - found),
        *([f"{unsent} mails were not sent"] if unsent else []),
        *(f"mail {id_} was told {count} times" for id_, count in sent.items() if count > 1),
        *([f"{len(kept)} mails, {len(sent)} of them told in the log"] if kept != sent.keys() else []),
    ]
