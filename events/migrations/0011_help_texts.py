"""Rewords the help texts. Changes no column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("events", "0010_audit_moves_to_the_desk"),
    ]

    operations = [
        migrations.AlterField(
            model_name="build",
            name="boundary",
            field=models.BigIntegerField(default=0, help_text="The live build contains events up to this position"),
        ),
        migrations.AlterField(
            model_name="build",
            name="last",
            field=models.PositiveIntegerField(default=1, help_text="The highest build number assigned so far"),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="alone_at",
            field=models.DateTimeField(help_text="Start of an attempt without outcome, if sent alone", null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="edited_data",
            field=models.JSONField(help_text="Delivered in place of the event's data", null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="lease",
            field=models.UUIDField(help_text="Only the holder of this lease may write the outcome", null=True),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="stream",
            field=models.CharField(help_text="Set if the subscriber is ordered", max_length=200, null=True),
        ),
        migrations.AlterField(
            model_name="replay",
            name="attempts",
            field=models.PositiveIntegerField(default=0, help_text="Consecutive failures at the current position"),
        ),
        migrations.AlterField(
            model_name="replay",
            name="boundary",
            field=models.BigIntegerField(help_text="All events up to this position are committed", null=True),
        ),
        migrations.AlterField(
            model_name="replay",
            name="build",
            field=models.PositiveIntegerField(help_text="The build that this rebuild creates", null=True),
        ),
        migrations.AlterField(
            model_name="replay",
            name="expected",
            field=models.PositiveBigIntegerField(help_text="Events in scope when the replay started"),
        ),
        migrations.AlterField(
            model_name="replay",
            name="handled",
            field=models.PositiveBigIntegerField(default=0, help_text="Events handled so far"),
        ),
        migrations.AlterField(
            model_name="replay",
            name="lease",
            field=models.UUIDField(help_text="Only the holder of this lease may continue", null=True),
        ),
        migrations.AlterField(
            model_name="replay",
            name="position",
            field=models.BigIntegerField(default=0, help_text="Events up to this position are handled"),
        ),
    ]
