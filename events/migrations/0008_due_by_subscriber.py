"""Adds the subscriber to the index of due deliveries, so that a claim skips other subscribers within the index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0007_discard_dead_messages")]

    operations = [
        migrations.RemoveIndex(model_name="delivery", name="delivery_due"),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["due_at", "subscriber"], name="delivery_due"
            ),
        ),
    ]
