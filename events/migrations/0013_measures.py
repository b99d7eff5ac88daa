"""Stores counts in rows, and the time at which each delivery was created.

The default of `created_at` is the same for all existing rows, so PostgreSQL does not rewrite the table. Counts are
updated often: pages keep free space, so that updates need no new index entries (HOT).
"""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("events", "0012_redaction")]

    operations = [
        migrations.CreateModel(
            name="Measure",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "metric", "labels", "part", "process",
                        blank=True, editable=False, primary_key=True, serialize=False,
                    ),
                ),
                ("metric", models.CharField(max_length=100)),
                ("labels", models.CharField(help_text="The values, as a JSON array", max_length=500)),
                ("part", models.CharField(blank=True, max_length=20)),
                ("process", models.CharField(blank=True, max_length=36)),
                ("value", models.FloatField()),
                ("at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.RunSQL("ALTER TABLE events_measure SET (fillfactor = 50)", migrations.RunSQL.noop),
        migrations.AddField(
            model_name="delivery",
            name="created_at",
            field=models.DateTimeField(db_default=Now(), help_text="By the database's clock"),
        ),
    ]  # fmt: skip
