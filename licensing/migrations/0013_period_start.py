from django.db import migrations, models

# What was reckoned until now, trials included; the next settlement of an order writes what its provider says.
RECKONED = """
UPDATE licensing_order AS o
SET period_start = o.period_end - CASE f.interval WHEN 'year' THEN INTERVAL '1 year' ELSE INTERVAL '1 month' END
FROM licensing_offer AS f
WHERE f.id = o.offer_id AND f.interval <> '' AND o.period_end IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [("licensing", "0012_meters")]

    operations = [
        migrations.AddField(
            model_name="order",
            name="period_start",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.RunSQL(RECKONED, migrations.RunSQL.noop),
    ]
