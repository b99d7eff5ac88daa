"""Finds stuck runs without reading all runs, for the metrics."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sagas", "0006_neutral_help_texts")]

    operations = [
        migrations.AddIndex(
            model_name="sagarun",
            index=models.Index(condition=models.Q(("state", "stuck")), fields=["saga"], name="saga_stuck"),
        ),
    ]
