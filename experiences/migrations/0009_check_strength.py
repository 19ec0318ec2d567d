"""The strength of checks: found out once, quoted by statements, so it stays as it is."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("experiences", "0008_log_guarded"), ("accounts", "0002_append_only")]

    operations = [
        migrations.CreateModel(
            name="CheckStrength",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("method", models.PositiveSmallIntegerField()),
                ("caught", models.PositiveIntegerField()),
                ("n", models.PositiveIntegerField()),
                ("record", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "environment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="experiences.environment"
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="strengths", to="experiences.version"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("version", "environment", "method"), name="check_strength_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("caught__lte", models.F("n")), ("n__gt", 0)),
                        name="check_strength_is_a_share",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON experiences_checkstrength "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            "DROP TRIGGER append_only ON experiences_checkstrength",
        ),
    ]
