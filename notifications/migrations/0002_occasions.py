from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='about',
            field=models.UUIDField(help_text='The id of the order, or of one of its shipments or returns', null=True),
        ),
        # Before this migration, e-mails were only about the order itself.
        migrations.RunSQL("UPDATE notifications_notification SET about = order_id", migrations.RunSQL.noop),
        migrations.AlterField(
            model_name='notification',
            name='about',
            field=models.UUIDField(help_text='The id of the order, or of one of its shipments or returns'),
        ),
        migrations.AlterField(
            model_name='notification',
            name='kind',
            field=models.CharField(choices=[('confirmation', 'Confirmation'), ('cancellation', 'Cancellation'), ('shipment', 'Shipment'), ('return', 'Return')], max_length=20),
        ),
        migrations.RemoveConstraint(
            model_name='notification',
            name='one_notification_per_order_and_kind',
        ),
        migrations.AddConstraint(
            model_name='notification',
            constraint=models.UniqueConstraint(fields=('order_id', 'kind', 'about'), name='one_notification_per_kind_and_occasion'),
        ),
    ]
