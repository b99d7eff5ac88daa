"""Lower the fill factor: pages keep free space, so that PostgreSQL can update rows without new index entries (HOT)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("notifications", "0003_webhooks")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE notifications_notification SET (fillfactor = 50)",
            "ALTER TABLE notifications_notification RESET (fillfactor)",
        ),
    ]
