"""Prices in any currency. `numeric` without a precision needs no rewrite of the table."""

from django.db import migrations, models
from django.db.models.functions import Round

from events.declare import money_fields

WITHOUT_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"


def drop_zeros(apps, schema_editor):
    """1200.00 JPY becomes 1200 JPY, which forms show and accept. An amount that JPY cannot express stays."""
    products = apps.get_model("inventory", "Product").objects.filter(currency__in=WITHOUT_DECIMALS.split())
    products.filter(price=Round("price")).update(price=Round("price"))


class Migration(migrations.Migration):
    dependencies = [("inventory", "0003_room_for_updates")]

    operations = [
        migrations.AlterField(
            model_name="product",
            name="currency",
            field=models.CharField(
                default="EUR",
                help_text="Its code in ISO 4217, in capitals",
                max_length=3,
                validators=[money_fields.validate_currency],
            ),
        ),
        migrations.AlterField(model_name="product", name="price", field=money_fields.AmountField(whole_digits=10)),
        migrations.RunPython(drop_zeros, migrations.RunPython.noop),
    ]
