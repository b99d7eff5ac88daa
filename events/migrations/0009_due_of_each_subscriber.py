"""Puts the subscriber first in the index of due deliveries, so that a claim never scans other subscribers' rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0008_due_by_subscriber")]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="delivery_due"),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["subscriber", "due_at"], name="delivery_due"
            ),
        ),
    ]
