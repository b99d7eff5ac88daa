"""Pages keep room for the versions that a row goes through at once: they need no entry in any index then."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_webhooks")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE notifications_notification SET (fillfactor = 50)",
            "ALTER TABLE notifications_notification RESET (fillfactor)",
        ),
    ]
