"""A trace for each bucket of a histogram: the last sampled one that had a value in it.

Columns without a default: PostgreSQL rewrites no row.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0015_processes")]

    operations = [
        migrations.AddField("measure", "exemplar_trace_id", models.CharField(
            help_text="Of a bucket: the sampled trace that had the value below", max_length=32, null=True,
        )),
        migrations.AddField("measure", "exemplar_value", models.FloatField(null=True)),
        migrations.AddField("measure", "exemplar_at", models.DateTimeField(null=True)),
    ]  # fmt: skip
