from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_shipments_and_returns")]

    operations = [
        migrations.CreateModel(
            name="DailySales",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("build", models.PositiveIntegerField(default=1, editable=False)),
                ("day", models.DateField()),
                ("currency", models.CharField(max_length=3)),
                ("confirmed", models.PositiveIntegerField(help_text="Orders confirmed on this day")),
                (
                    "revenue",
                    models.DecimalField(decimal_places=2, help_text="Total of the orders confirmed on this day", max_digits=16),
                ),
                (
                    "cancelled",
                    models.PositiveIntegerField(
                        help_text="Orders cancelled on this day, whether confirmed before or not"
                    ),
                ),
                ("returned", models.PositiveIntegerField(help_text="Returns recorded on this day")),
                (
                    "given_back",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="Total of the returns and of the cancellations of confirmed orders",
                        max_digits=16,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "daily sales",
                "ordering": ["-day", "currency"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("build", "day", "currency"), name="one_row_per_day")
                ],
            },
        ),
    ]
