from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_append_only")]
    operations = [
        migrations.AddField("auditentry", "api_key_id", models.BigIntegerField(blank=True, null=True)),
    ]
