"""What each process says of itself: its release, and what it does."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0014_view_flower")]

    operations = [
        migrations.CreateModel(
            name="Process",
            fields=[
                (
                    "id",
                    models.CharField(
                        help_text="As in `Measure.process`", max_length=36, primary_key=True, serialize=False
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("name", models.CharField(blank=True, max_length=200)),
                ("host", models.CharField(max_length=200)),
                ("pid", models.PositiveIntegerField()),
                ("release", models.CharField(blank=True, max_length=100)),
                ("serves", models.CharField(blank=True, help_text="The queues of a worker", max_length=500)),
                ("doing", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
    ]
