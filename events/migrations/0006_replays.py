import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0005_repair")]

    operations = [
        migrations.CreateModel(
            name="Build",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="The read model's label", max_length=100, primary_key=True, serialize=False
                    ),
                ),
                ("live", models.PositiveIntegerField(default=1)),
                (
                    "boundary",
                    models.BigIntegerField(
                        default=0, help_text="Events up to here were counted by the rebuild that made it"
                    ),
                ),
                (
                    "last",
                    models.PositiveIntegerField(
                        default=1, help_text="The highest number that was given to a build"
                    ),
                ),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Replay",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid_utils.compat.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("subscriber", models.CharField(max_length=150)),
                ("since", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(help_text="Exclusive", null=True)),
                ("stream", models.CharField(blank=True, max_length=200)),
                ("build", models.PositiveIntegerField(help_text="The build that a rebuild makes", null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"), ("done", "Done"), ("failed", "Failed"), ("stopped", "Stopped"),
                        ],
                        default="running",
                        max_length=10,
                    ),
                ),
                (
                    "position",
                    models.BigIntegerField(default=0, help_text="Everything up to here is handed over"),
                ),
                (
                    "boundary",
                    models.BigIntegerField(null=True, help_text="Nothing up to here is still uncommitted"),
                ),
                (
                    "expected",
                    models.PositiveBigIntegerField(help_text="Events that it was about when it began"),
                ),
                ("handled", models.PositiveBigIntegerField(default=0, help_text="Events handed over so far")),
                (
                    "attempts",
                    models.PositiveIntegerField(default=0, help_text="How often it failed where it stands"),
                ),
                ("error", models.TextField(blank=True)),
                ("lease", models.UUIDField(help_text="Whose turn it is", null=True)),
                ("due_at", models.DateTimeField()),
                ("started_by", models.CharField(max_length=200)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")), fields=("subscriber",), name="one_replay_at_a_time"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="replay",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="deliveries",
                to="events.replay",
            ),
        ),
        migrations.RemoveConstraint(model_name="delivery", name="one_delivery_per_subscriber"),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("event", "subscriber", "replay"), name="one_delivery_per_replay", nulls_distinct=False
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("replay__isnull", False)), fields=["replay", "state"], name="delivery_replay"
            ),
        ),
        migrations.AddIndex(
            model_name="storedevent",
            index=models.Index(fields=["type", "position"], name="event_type"),
        ),
    ]
