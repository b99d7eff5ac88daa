from django.db import migrations

from events.declare.money_fields import AmountField


class Migration(migrations.Migration):
    dependencies = [("orders", "0011_cancel_code")]

    operations = [
        migrations.AlterField(
            model_name="dailysales",
            name="refunded",
            field=AmountField(help_text="What was given back on this day, of orders that were confirmed"),
        ),
    ]
