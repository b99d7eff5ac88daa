"""The permission to see Flower. Changes no table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0013_measures"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "permissions": [
                    ("retry_delivery", "Can retry dead deliveries"),
                    ("edit_delivery", "Can edit the data of dead deliveries"),
                    ("discard_delivery", "Can discard dead deliveries"),
                    ("view_flower", "Can see the tasks and workers in Flower"),
                ],
                "verbose_name_plural": "deliveries",
            },
        ),
    ]
