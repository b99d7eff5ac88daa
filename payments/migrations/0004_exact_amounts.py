"""Amounts in any currency and of any size. `numeric` without a precision needs no rewrite of the tables."""
import events.declare.money_fields
from decimal import Decimal
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0003_room_for_updates'),
    ]

    operations = [
        migrations.AlterField(
            model_name='payment',
            name='amount',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
        migrations.AlterField(
            model_name='payment',
            name='refunded',
            field=events.declare.money_fields.AmountField(db_default=Decimal('0'), default=Decimal('0'), whole_digits=40),
        ),
        migrations.AlterField(
            model_name='refund',
            name='amount',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
    ]
