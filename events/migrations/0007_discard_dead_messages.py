from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0006_replays")]

    operations = [
        migrations.AlterModelOptions(
            name="deadmessage",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("retry_deadmessage", "Can send dead messages again"),
                    ("discard_deadmessage", "Can discard dead messages"),
                ],
            },
        ),
        migrations.AddField(
            model_name="deadmessage",
            name="discarded_at",
            field=models.DateTimeField(null=True),
        ),
    ]
