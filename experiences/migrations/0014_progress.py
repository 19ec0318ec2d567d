"""What a verification is at, for those who watch it."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("experiences", "0013_standing_figures"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProgressLog",
            fields=[
                (
                    "verification",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="progress",
                        serialize=False,
                        to="experiences.verification",
                    ),
                ),
                ("attempt", models.PositiveIntegerField()),
                ("entries", models.JSONField(default=list)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
    ]
