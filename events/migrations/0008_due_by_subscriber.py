"""A claim passes over what is due for subscribers that it does not ask for, without a look at the table."""

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
