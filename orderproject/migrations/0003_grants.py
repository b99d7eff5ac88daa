from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orderproject", "0002_api_keys")]

    operations = [
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group", models.CharField(max_length=150)),
                ("permission", models.CharField(help_text="In the form app.codename", max_length=200)),
            ],
            options={
                "default_permissions": (),
                "constraints": [models.UniqueConstraint(fields=("group", "permission"), name="one_grant_each")],
            },
        ),
    ]
