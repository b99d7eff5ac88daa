"""Returned goods that cannot be sold again are written off."""

import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inventory", "0005_one_line_names"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="hold",
            name="restocked_at_most_held",
        ),
        migrations.AddField(
            model_name="hold",
            name="written_off",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="The quantity that was returned and cannot be sold again"
            ),
        ),
        migrations.AddConstraint(
            model_name="hold",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "quantity__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("restocked"), "+", models.F("written_off")
                        ),
                    )
                ),
                name="back_at_most_held",
            ),
        ),
    ]
