"""A claim goes to what is due for each subscriber, however much is due for others that are held back."""

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
