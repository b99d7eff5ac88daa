from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0003_dead_messages")]

    operations = [
        migrations.CreateModel(
            name="Breaker",
            fields=[("name", models.CharField(max_length=100, primary_key=True, serialize=False))],
            options={
                "managed": False,
                "default_permissions": ("view",),
                "permissions": [("force_breaker", "Can force breakers open or closed")],
            },
        ),
    ]
