from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0007_one_line_names")]

    operations = [
        migrations.AlterField(
            model_name="notification",
            name="kind",
            field=models.CharField(
                choices=[
                    ("confirmation", "Confirmation"),
                    ("cancellation", "Cancellation"),
                    ("shipment", "Shipment"),
                    ("return", "Return"),
                    ("items_cancelled", "Items Cancelled"),
                    ("refund", "Refund"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="notification",
            name="about",
            field=models.UUIDField(
                help_text="The id of the order, or of one of its shipments, returns, cancellations of items or refunds"
            ),
        ),
    ]
