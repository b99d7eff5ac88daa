"""Lower the fill factor: pages keep free space, so that PostgreSQL can update rows without new index entries (HOT)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("inventory", "0002_partial_restock")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE inventory_reservation SET (fillfactor = 50)",
            "ALTER TABLE inventory_reservation RESET (fillfactor)",
        ),
    ]
