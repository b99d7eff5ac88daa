"""Lower the fill factor: pages keep free space, so that PostgreSQL can update rows without new index entries (HOT)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_partial_refunds")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE payments_payment SET (fillfactor = 40)",
            "ALTER TABLE payments_payment RESET (fillfactor)",
        ),
    ]
