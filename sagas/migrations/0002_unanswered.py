from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sagas", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="sagastep",
            name="unanswered",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="How often it was sent again without an answer"
            ),
        ),
        migrations.AlterField(
            model_name="sagastep",
            name="attempts",
            field=models.PositiveIntegerField(
                default=0, help_text="Network steps, and what travels alone: tries begun; others: tries failed"
            ),
        ),
    ]
