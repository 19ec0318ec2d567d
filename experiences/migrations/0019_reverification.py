"""When versions are proven again, asked for by their organizations; how long each verdict counts."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0004_environment_profiles"),
        ("experiences", "0018_hidden"),
    ]

    operations = [
        migrations.CreateModel(
            name="AppliedPolicy",
            fields=[
                ("digest", models.CharField(max_length=71, primary_key=True, serialize=False)),
                ("document", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.AddField(
            model_name="verification",
            name="is_trial",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="verification",
            name="valid_days",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="verification",
            name="trigger",
            field=models.CharField(
                choices=[
                    ("publish", "published"),
                    ("divergence", "a field report diverged"),
                    ("age", "the last verdict has aged"),
                    ("request", "requested"),
                    ("environment", "the environment has changed"),
                    ("new_environment", "a new environment"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="ReverificationPolicy",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("topic", models.CharField(blank=True, max_length=64)),
                ("max_age_days", models.PositiveSmallIntegerField(null=True)),
                ("on_new_environment", models.BooleanField(null=True)),
                ("on_environment_change", models.BooleanField(null=True)),
                ("diverging_reports", models.PositiveSmallIntegerField(null=True)),
                ("request_minutes", models.PositiveIntegerField(null=True)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reverification_policies",
                        to="accounts.organization",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("organization", "topic"), name="reverification_policy_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("max_age_days__isnull", True), ("max_age_days__gt", 0), _connector="OR"),
                            models.Q(
                                ("diverging_reports__isnull", True), ("diverging_reports__gt", 0), _connector="OR"
                            ),
                        ),
                        name="reverification_policy_positive",
                    ),
                ],
            },
        ),
        migrations.RunSQL(
            "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON experiences_appliedpolicy "
            "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
            "DROP TRIGGER append_only ON experiences_appliedpolicy",
        ),
    ]
