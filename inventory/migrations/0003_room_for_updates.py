"""Pages keep room for the versions that a row goes through at once: they need no entry in any index then."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inventory", "0002_partial_restock")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE inventory_reservation SET (fillfactor = 50)",
            "ALTER TABLE inventory_reservation RESET (fillfactor)",
        ),
    ]
