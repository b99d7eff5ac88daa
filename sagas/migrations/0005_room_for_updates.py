"""Pages keep room for the versions that a row goes through at once: they need no entry in any index then."""

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
