"""The name of an API key is one line."""

import desk.one_line
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orderproject', '0005_check_email'),
    ]

    operations = [
        migrations.AlterField(
            model_name='apikey',
            name='name',
            field=models.CharField(help_text='Who uses the key, and for what', max_length=100, validators=[desk.one_line.validate_one_line]),
        ),
    ]
