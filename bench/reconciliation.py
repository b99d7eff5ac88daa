"""The reconciliation after every scenario: the checks of the tests, and checks of our rows if there is no sandbox."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import F

from events.log.verify import differences
from events.models import StoredEvent
from notifications.models import Notification
from orders.models import Order
from payments.models import Payment
from tests.reconcile.goods import goods
from tests.reconcile.history import history
from tests.reconcile.mail import TOLD
from tests.reconcile.money import money
from tests.reconcile.statuses import KEPT
from tests.reconcile.work import work

MAX_EXAMPLES = 20
"""The maximum number of problems to report. If there are more, the last sentence gives their number."""
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
    SELECT sku, sum(quantity - returned_quantity - cancelled_quantity) AS sold
    FROM orders_orderline JOIN orders_order ON orders_order.id = order_id WHERE status <> 'cancelled' GROUP BY 1
) AS lines ON sku = product_id
"""
KINDS = {
    "confirmed": "confirmation", "cancelled": "cancellation", "shipped": "shipment", "returned": "return",
    "items_cancelled": "items_cancelled",
}  # fmt: skip


def reconcile(stocked: dict[str, int], sandbox_url: str = "") -> list[str]:
    """All problems as sentences. `stocked` is the stock before the first order.

    Without a sandbox there is no ledger to compare with, so payments must agree with orders and with the log.
    """
    paid = money(sandbox_url) if sandbox_url else [*_payments(), *_payment_events()]
    found = [*differences(), *work(), *history(), *goods(stocked), *paid, *_mails()]
    return [*found[:MAX_EXAMPLES], f"{len(found)} problems in all"] if len(found) > MAX_EXAMPLES else found


def reconcile_since(last: UUID, stocked: dict[str, int]) -> list[str]:
    """Checks sums over the orders after `last`, for tables that are too large to check row by row."""
    with connection.cursor() as cursor:
        cursor.execute(SINCE, {"last": last})
        counts = dict(zip([column.name for column in cursor.description], cursor.fetchone(), strict=True))
    orders = counts.pop("orders")
    wrong = [f"{name} are {count}, of {orders} orders" for name, count in counts.items() if count != orders]
    return [*wrong, *goods_in_sum(stocked)]


def goods_in_sum(stocked: dict[str, int]) -> list[str]:
    """The decrease of stock must equal the quantities of all confirmed orders."""
    with connection.cursor() as cursor:
        cursor.execute(GOODS)
        found = {sku: (on_hand, held, sold) for sku, on_hand, held, sold in cursor.fetchall()}
    return [
        f"{sku}: {before} - {found[sku][2]} sold is not {found[sku][0]}, or some are held: {found[sku][1]}"
        for sku, before in stocked.items()
        if found[sku] != (before - found[sku][2], 0, found[sku][2])
    ]


def _payments() -> list[str]:
    """A confirmed order must be paid; a cancelled order must be unpaid or completely refunded."""
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


def _payment_events() -> list[str]:
    """The log must contain exactly one event of success for each succeeded payment, and none for others."""
    succeeded = {
        f"payment:{id_}" for id_ in Payment.objects.filter(status="succeeded").values_list("order_id", flat=True)
    }
    told = Counter(StoredEvent.objects.filter(type="payment.succeeded").values_list("stream", flat=True))
    return [
        *(f"{stream} succeeded {count} times" for stream, count in told.items() if count > 1),
        *(f"{stream} succeeded by the log only or by its row only" for stream in succeeded ^ told.keys()),
    ]


def _mails() -> list[str]:
    """Each confirmed or cancelled order must have one e-mail, sent once and recorded in the log."""
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
        *(f"mail {id_} has {count} events" for id_, count in sent.items() if count > 1),
        *([f"{len(kept)} mails, {len(sent)} of them recorded in the log"] if kept != sent.keys() else []),
    ]
