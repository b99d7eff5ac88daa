"""The description is one line."""

import desk.one_line
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0006_check_recipient'),
    ]

    operations = [
        migrations.AlterField(
            model_name='webhook',
            name='description',
            field=models.CharField(blank=True, max_length=200, validators=[desk.one_line.validate_one_line]),
        ),
    ]
