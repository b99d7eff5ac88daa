"""What is to be refunded stands on the order, and refunds without a return get a table.

Orders that were cancelled after they had been confirmed owe, or owed, all of their total; others what was returned.
Whether it has been refunded is read from the log.
"""

from decimal import Decimal

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

FILL = """
WITH refunded AS (
    SELECT split_part(stream, ':', 2)::uuid AS id, sum((data->'amount'->>'amount')::numeric) AS amount
    FROM events_storedevent WHERE type = 'payment.refunded' GROUP BY 1
), due AS (
    SELECT split_part(stream, ':', 2)::uuid AS id, NULL::numeric AS amount FROM events_storedevent
    WHERE type = 'order.cancelled' AND (data->>'wasConfirmed')::bool
    UNION ALL
    SELECT order_id, sum(refund) FROM orders_return GROUP BY order_id
)
UPDATE orders_order SET
    refund_due = coalesce(due.amount, orders_order.total),
    refund_status = CASE
        WHEN coalesce(due.amount, orders_order.total) = 0 THEN ''
        WHEN coalesce(refunded.amount, 0) >= coalesce(due.amount, orders_order.total) THEN 'succeeded'
        ELSE 'pending' END
FROM due LEFT JOIN refunded USING (id) WHERE orders_order.id = due.id
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_help_texts"), ("events", "0011_help_texts")]

    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("cancel_order", "Can cancel orders"),
                    ("ship_order", "Can ship orders"),
                    ("deliver_order", "Can mark orders as delivered"),
                    ("return_order", "Can record returns"),
                    ("refund_order", "Can refund money without a return"),
                ],
            },
        ),
        migrations.AddField(
            model_name="order",
            name="refund_due",
            field=models.DecimalField(
                db_default=Decimal(0),
                decimal_places=2,
                default=Decimal(0),
                help_text="What has been or is to be refunded",
                max_digits=14,
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="refund_status",
            field=models.CharField(
                blank=True,
                choices=[("pending", "Pending"), ("failed", "Failed"), ("succeeded", "Succeeded")],
                db_default="",
                default="",
                help_text="Whether all that is to be refunded has been; empty if nothing is to be refunded",
                max_length=10,
            ),
        ),
        migrations.CreateModel(
            name="RefundRequest",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=2, max_digits=14)),
                ("reason", models.CharField(max_length=100)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="refund_requests", to="orders.order"
                    ),
                ),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("refund_status__in", ["pending", "failed"])),
                fields=["refund_status", "-id"],
                name="order_refund_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(("refund_due__lte", models.F("total"))), name="refund_at_most_paid"
            ),
        ),
    ]
