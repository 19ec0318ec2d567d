"""The histories of ratings and of complaints cannot be rewritten: the database refuses it."""

from django.db import migrations

TABLES = ("marketplace_ratingedit", "marketplace_caseentry")

FIRST_FORMS = """
INSERT INTO marketplace_ratingedit (rating_id, part, organization_id, actor_kind, content, created_at)
SELECT id, 'rating', organization_id, 'system',
       jsonb_build_object('stars', stars, 'held', '', 'described', '', 'effort_saved', '', 'text', text), changed_at
FROM marketplace_rating
"""
"""Ratings from before there was a history begin theirs with how they stand."""


class Migration(migrations.Migration):
    dependencies = [("marketplace", "0002_reviews"), ("accounts", "0002_append_only")]
    operations = [
        migrations.RunSQL(FIRST_FORMS, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
                f"DROP TRIGGER append_only ON {table}",
            )
            for table in TABLES
        ),
    ]
