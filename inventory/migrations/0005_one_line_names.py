"""Names are one line."""

import desk.one_line
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('inventory', '0004_exact_amounts'),
    ]

    operations = [
        migrations.AlterField(
            model_name='product',
            name='name',
            field=models.CharField(max_length=200, validators=[desk.one_line.validate_one_line]),
        ),
        migrations.AlterField(
            model_name='warehouse',
            name='name',
            field=models.CharField(max_length=100, validators=[desk.one_line.validate_one_line]),
        ),
    ]
