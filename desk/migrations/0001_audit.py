"""Takes over the model Audit and its table from `events`. Moves the content type, too, so that permissions survive."""

import django.contrib.postgres.indexes
from django.db import migrations, models


def move_content_type(apps, schema_editor):
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="events", model="audit").update(
        app_label="desk"
    )


def move_content_type_back(apps, schema_editor):
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="desk", model="audit").update(
        app_label="events"
    )


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("contenttypes", "0002_remove_content_type_name"),
        ("events", "0010_audit_moves_to_the_desk"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Audit",
                    fields=[
                        ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                        ("at", models.DateTimeField()),
                        (
                            "actor",
                            models.CharField(
                                help_text="A user's name; shell:<account> from the command line", max_length=200
                            ),
                        ),
                        ("action", models.CharField(max_length=40)),
                        ("target_kind", models.CharField(max_length=40)),
                        ("target_ids", models.JSONField(help_text="As texts")),
                        ("reason", models.TextField(blank=True)),
                        ("details", models.JSONField(default=dict)),
                    ],
                    options={
                        "verbose_name_plural": "audit",
                        "ordering": ["-id"],
                        "indexes": [
                            django.contrib.postgres.indexes.GinIndex(
                                fields=["target_ids"], name="audit_target", opclasses=["jsonb_path_ops"]
                            )
                        ],
                        "db_table": "events_audit",
                    },
                ),
            ],
        ),
        migrations.RunPython(move_content_type, move_content_type_back),
    ]
