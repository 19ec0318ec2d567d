"""Terms and acceptances stay as they were agreed."""

from django.db import migrations

TABLES = ("licensing_terms", "licensing_acceptance")


class Migration(migrations.Migration):
    dependencies = [("licensing", "0001_initial"), ("accounts", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            f"DROP TRIGGER append_only ON {table}",
        )
        for table in TABLES
    ]
