"""Returns are requested, approved or rejected, and received before money and stock move."""

import django.db.models.expressions
from django.db import migrations, models

import events.declare.money_fields

# Before this migration, goods were taken back without a request. Finished runs may have been deleted.
TAKEN_BEFORE = """
UPDATE orders_return taken SET updated_at = created_at, status = CASE WHEN EXISTS (
    SELECT FROM sagas_sagarun run
    WHERE run.saga = 'ReturnOrder' AND run.subject = taken.order_id AND run.part = taken.id AND run.state <> 'done'
) THEN 'received' ELSE 'refunded' END
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0012_sales_count_refunds"),
        ("sagas", "0003_runs_for_parts"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="order",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("cancel_order", "Can cancel orders"),
                    ("ship_order", "Can ship orders"),
                    ("deliver_order", "Can mark orders as delivered"),
                    ("return_order", "Can request returns for customers"),
                    ("refund_order", "Can refund money without a return"),
                ],
            },
        ),
        migrations.AlterModelOptions(
            name="return",
            options={
                "default_permissions": ("view",),
                "ordering": ["id"],
                "permissions": [
                    ("approve_return", "Can approve and reject returns"),
                    ("receive_return", "Can receive returned goods"),
                ],
            },
        ),
        migrations.AddField(
            model_name="return",
            name="reject_reason",
            field=models.CharField(blank=True, help_text="Why staff rejected the return", max_length=100),
        ),
        migrations.AddField(
            model_name="return",
            name="status",
            field=models.CharField(
                choices=[
                    ("requested", "Requested"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("received", "Received"),
                    ("refunded", "Refunded"),
                ],
                default="requested",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="return",
            name="updated_at",
            field=models.DateTimeField(auto_now=True),
        ),
        migrations.AddField(
            model_name="return",
            name="warehouse",
            field=models.CharField(
                blank=True,
                help_text="Where the goods arrived; without one, they go back to the warehouses that they came from",
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="returnline",
            name="restocked",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="What arrived and can be sold again"),
        ),
        migrations.AddField(
            model_name="returnline",
            name="written_off",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="What arrived and cannot be sold"),
        ),
        migrations.AlterField(
            model_name="return",
            name="reason",
            field=models.CharField(help_text="Why the customer returns the goods", max_length=100),
        ),
        migrations.AlterField(
            model_name="return",
            name="refund",
            field=events.declare.money_fields.AmountField(
                help_text="The price of what was requested; once received, what is refunded for it", whole_digits=40
            ),
        ),
        migrations.AlterField(
            model_name="returnline",
            name="quantity",
            field=models.PositiveIntegerField(help_text="What was requested"),
        ),
        migrations.RunSQL(TAKEN_BEFORE, migrations.RunSQL.noop),
        migrations.RunSQL("UPDATE orders_returnline SET restocked = quantity", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="return",
            index=models.Index(fields=["status", "-id"], name="return_status"),
        ),
        migrations.AddConstraint(
            model_name="returnline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("restocked"), "+", models.F("written_off")
                        ),
                    )
                ),
                name="received_at_most_requested",
            ),
        ),
    ]
