"""Rename the permission to view the audit, which moved to `desk`, so that administrators' changes are kept."""

from django.db import migrations


def rename(apps, before, after):
    apps.get_model("orderproject", "Grant").objects.filter(permission=before).update(permission=after)


class Migration(migrations.Migration):
    dependencies = [("orderproject", "0003_grants")]

    operations = [
        migrations.RunPython(
            lambda apps, schema_editor: rename(apps, "events.view_audit", "desk.view_audit"),
            lambda apps, schema_editor: rename(apps, "desk.view_audit", "events.view_audit"),
        ),
    ]
