"""What was seen and signed stays as it was."""

from django.db import migrations

TABLES = ("experiences_attestation", "experiences_scenarioresult")


class Migration(migrations.Migration):
    dependencies = [("experiences", "0001_initial"), ("accounts", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            f"DROP TRIGGER append_only ON {table}",
        )
        for table in TABLES
    ]
