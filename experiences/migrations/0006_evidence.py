"""What each run left to look at. It stays as it was seen."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiences", "0005_farm"), ("accounts", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="EvidenceRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("run", models.PositiveSmallIntegerField(default=1)),
                ("outcome_digest", models.CharField(max_length=71)),
                ("content", models.BinaryField()),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="experiences.scenarioresult",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("result", "run"), name="evidence_run_once")],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON experiences_evidencerecord "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            "DROP TRIGGER append_only ON experiences_evidencerecord",
        ),
    ]
