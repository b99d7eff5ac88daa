"""Pages keep room for the versions that a row goes through at once: they need no entry in any index then."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("payments", "0002_partial_refunds")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE payments_payment SET (fillfactor = 40)",
            "ALTER TABLE payments_payment RESET (fillfactor)",
        ),
    ]
