"""Samples of what is counted, for the operations page."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orderproject", "0007_forgotten_at")]

    operations = [
        migrations.CreateModel(
            name="Sample",
            fields=[
                ("minute", models.DateTimeField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(help_text="When it was taken, by the database's clock")),
                ("totals", models.JSONField(help_text="Counts since the installation began")),
                ("gauges", models.JSONField()),
                ("coarse", models.BooleanField(help_text="The only one of its quarter of an hour that is kept")),
            ],
            options={"permissions": [("view_operations", "Can see the operations page")], "default_permissions": ()},
        ),
    ]
