"""Amounts in any currency and of any size. `numeric` without a precision needs no rewrite of the tables."""
import events.declare.money_fields
from decimal import Decimal
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0009_check_email'),
    ]

    operations = [
        migrations.AlterField(
            model_name='cancellation',
            name='refund',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
        migrations.AlterField(
            model_name='dailysales',
            name='refunded',
            field=events.declare.money_fields.AmountField(help_text='What returns and cancellations of confirmed orders came to', whole_digits=40),
        ),
        migrations.AlterField(
            model_name='dailysales',
            name='revenue',
            field=events.declare.money_fields.AmountField(help_text='What they came to', whole_digits=40),
        ),
        migrations.AlterField(
            model_name='order',
            name='refund_due',
            field=events.declare.money_fields.AmountField(db_default=Decimal('0'), default=Decimal('0'), help_text='What has been or is to be refunded', whole_digits=40),
        ),
        migrations.AlterField(
            model_name='order',
            name='total',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
        migrations.AlterField(
            model_name='orderline',
            name='unit_price',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
        migrations.AlterField(
            model_name='refundrequest',
            name='amount',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
        migrations.AlterField(
            model_name='return',
            name='refund',
            field=events.declare.money_fields.AmountField(whole_digits=40),
        ),
    ]
