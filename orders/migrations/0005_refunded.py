from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("orders", "0004_daily_sales")]

    operations = [migrations.RenameField("dailysales", "given_back", "refunded")]
