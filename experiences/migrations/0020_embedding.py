"""Vectors of listed texts. Plain bytes: docs/decisions/0009 says why not pgvector's type."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

TRIGGER = """
CREATE TRIGGER search_changed AFTER UPDATE ON experiences_embedding FOR EACH ROW WHEN (
    (OLD.space, OLD.signs) IS DISTINCT FROM (NEW.space, NEW.signs)
) EXECUTE FUNCTION keiken_search_changed();
"""
UNDO = "DROP TRIGGER search_changed ON experiences_embedding;"


class Migration(migrations.Migration):
    dependencies = [("experiences", "0019_reverification")]
    operations = [
        migrations.CreateModel(
            name="Embedding",
            fields=[
                (
                    "experience",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="embedding",
                        serialize=False,
                        to="experiences.experience",
                    ),
                ),
                ("space", models.CharField(max_length=220)),
                ("vector", models.BinaryField(default=bytes)),
                ("signs", models.BinaryField(default=bytes)),
                ("made_at", models.DateTimeField(null=True)),
                ("is_alone", models.BooleanField(default=False)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("not_before", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("note", models.CharField(blank=True, max_length=100)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="experiences.version"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("made_at__isnull", True)), fields=["not_before"], name="embedding_waiting"
                    )
                ],
            },
        ),
        migrations.RunSQL(TRIGGER, UNDO),
    ]
