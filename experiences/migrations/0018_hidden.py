"""Experiences that moderation hides; the search of every process hears of it."""

from django.db import migrations, models

DROP = "DROP TRIGGER search_changed ON experiences_experience;"
MAKE = """
CREATE TRIGGER search_changed AFTER UPDATE ON experiences_experience FOR EACH ROW WHEN (
    ({old}) IS DISTINCT FROM ({new})
) EXECUTE FUNCTION keiken_search_changed();
"""
BEFORE = ("visibility", "organization_id", "quality", "replay_count")
AFTER = (*BEFORE, "hidden_at")


def trigger(columns):
    return DROP + MAKE.format(
        old=", ".join(f"OLD.{name}" for name in columns), new=", ".join(f"NEW.{name}" for name in columns)
    )


class Migration(migrations.Migration):
    dependencies = [("experiences", "0017_yanked_reason")]
    operations = [
        migrations.AddField("experience", "hidden_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("experience", "hidden_reason", models.CharField(blank=True, max_length=20)),
        migrations.RunSQL(trigger(AFTER), trigger(BEFORE)),
    ]
