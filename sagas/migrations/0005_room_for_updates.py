"""Leaves room in each page for new versions of its rows, so that updates need no new index entries (HOT)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("sagas", "0004_steps_without_a_constraint")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE sagas_sagarun SET (fillfactor = 50)",
            "ALTER TABLE sagas_sagarun RESET (fillfactor)",
        ),
        migrations.RunSQL(
            "ALTER TABLE sagas_sagastep SET (fillfactor = 50)",
            "ALTER TABLE sagas_sagastep RESET (fillfactor)",
        ),
    ]
