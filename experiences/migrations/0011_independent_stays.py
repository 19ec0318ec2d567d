"""What an independent verifier signed stays as it was."""

from django.db import migrations

TABLE = "experiences_independentstatement"


class Migration(migrations.Migration):
    dependencies = [("experiences", "0010_independent"), ("accounts", "0002_append_only")]
    operations = [
        migrations.RunSQL(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            f"DROP TRIGGER append_only ON {TABLE}",
        )
    ]
