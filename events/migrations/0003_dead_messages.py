from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="DeadMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("queue", models.CharField(max_length=200)),
                ("task", models.CharField(blank=True, max_length=200)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("unknown_task", "Unknown Task"),
                            ("undecodable", "Undecodable"),
                            ("malformed", "Malformed"),
                            ("no_envelope", "No Envelope"),
                            ("too_often", "Too Often"),
                        ],
                        max_length=20,
                    ),
                ),
                ("error", models.TextField(blank=True)),
                ("headers", models.TextField()),
                ("properties", models.TextField()),
                ("body", models.BinaryField()),
                ("received_at", models.DateTimeField()),
                ("retried_at", models.DateTimeField(null=True)),
            ],
            options={"ordering": ["-id"], "permissions": [("retry_deadmessage", "Can send dead messages again")]},
        ),
        migrations.AddField(
            model_name="delivery",
            name="alone_at",
            field=models.DateTimeField(help_text="When a worker began it alone, unanswered since", null=True),
        ),
    ]
