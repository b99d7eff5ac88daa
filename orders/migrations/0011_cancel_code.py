"""Keep the code of a cancellation apart from its text."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0010_exact_amounts'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='cancel_code',
            field=models.CharField(blank=True, db_default='', default='', help_text="The code of the shop's own reason; empty if a person cancelled", max_length=100),
        ),
    ]
