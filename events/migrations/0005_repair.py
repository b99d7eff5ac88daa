import django.contrib.postgres.indexes
from django.db import migrations, models

FORWARD = """
CREATE OR REPLACE FUNCTION events_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' AND current_setting('events.erasable', true) = 'on' THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'the log is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER events_audit_append_only BEFORE UPDATE OR DELETE ON events_audit
    FOR EACH ROW EXECUTE FUNCTION events_refuse_change();
CREATE TRIGGER events_audit_no_truncate BEFORE TRUNCATE ON events_audit
    FOR EACH STATEMENT EXECUTE FUNCTION events_refuse_change();
"""

BACKWARD = """
DROP TRIGGER events_audit_no_truncate ON events_audit;
DROP TRIGGER events_audit_append_only ON events_audit;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0004_breakers")]

    operations = [
        migrations.AlterModelOptions(
            name="delivery",
            options={
                "verbose_name_plural": "deliveries",
                "permissions": [
                    ("retry_delivery", "Can retry dead deliveries"),
                    ("edit_delivery", "Can edit the data of dead deliveries"),
                    ("discard_delivery", "Can discard dead deliveries"),
                ],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="edited_data",
            field=models.JSONField(help_text="Handed over in place of the event's data, for this one only", null=True),
        ),
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
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
