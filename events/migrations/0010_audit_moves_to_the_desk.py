"""Moves the model Audit to the application `desk`. The table stays unchanged."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("events", "0009_due_of_each_subscriber")]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[migrations.DeleteModel(name="Audit")]),
    ]
