"""List what was published before there were entries, and tell every process of each change from here on."""

from django.db import migrations

TRIGGERS = """
CREATE FUNCTION keiken_search_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO experiences_searchchange (experience_id, xid, at) VALUES (
        CASE WHEN TG_TABLE_NAME = 'experiences_experience' THEN (to_jsonb(NEW) ->> 'id')::bigint
             ELSE (to_jsonb(NEW) ->> 'experience_id')::bigint END,
        pg_current_xact_id()::text::bigint,
        clock_timestamp()
    );
    RETURN NULL;
END $$;
CREATE TRIGGER search_changed AFTER INSERT OR UPDATE ON experiences_searchentry
    FOR EACH ROW EXECUTE FUNCTION keiken_search_changed();
CREATE TRIGGER search_changed AFTER UPDATE ON experiences_experience FOR EACH ROW WHEN (
    (OLD.visibility, OLD.organization_id, OLD.quality, OLD.replay_count)
    IS DISTINCT FROM (NEW.visibility, NEW.organization_id, NEW.quality, NEW.replay_count)
) EXECUTE FUNCTION keiken_search_changed();
CREATE TRIGGER search_changed AFTER UPDATE ON experiences_version FOR EACH ROW WHEN (
    (OLD.standing, OLD.proven_at, OLD.yanked_at) IS DISTINCT FROM (NEW.standing, NEW.proven_at, NEW.yanked_at)
) EXECUTE FUNCTION keiken_search_changed();
"""
UNDO = """
DROP TRIGGER search_changed ON experiences_version;
DROP TRIGGER search_changed ON experiences_experience;
DROP TRIGGER search_changed ON experiences_searchentry;
DROP FUNCTION keiken_search_changed();
"""


def list_all(apps, schema_editor):
    from experiences.domain.terms import language_of, postings_of, trigrams
    from experiences.services.listing import actions_of, texts_of

    rows = apps.get_model("experiences", "Experience").objects.exclude(latest=None).select_related("latest")
    entries, words = apps.get_model("experiences", "SearchEntry"), apps.get_model("experiences", "SearchWord")
    verifications = apps.get_model("experiences", "Verification")
    for row in rows.iterator(chunk_size=500):
        postings = postings_of(texts_of(row.latest))
        last = verifications.objects.filter(version_id=row.latest_id, state="done")
        last = last.order_by("environment_name", "-finished_at").distinct("environment_name")
        entries.objects.create(
            experience_id=row.pk,
            version_id=row.latest_id,
            keys=postings.keys.tobytes(),
            marks=postings.marks.tobytes(),
            language=language_of(f"{row.title} {row.summary}"),
            actions=actions_of(row.latest),
            environments=[
                item.environment_name for item in last if item.verdict == "passed" and hasattr(item, "attestation")
            ],
        )
        found = [words(word=word, trigrams=trigrams(word)) for word in sorted(postings.words) if len(word) > 2]
        words.objects.bulk_create(found, ignore_conflicts=True)


class Migration(migrations.Migration):
    dependencies = [("experiences", "0015_search")]
    operations = [
        migrations.RunPython(list_all, migrations.RunPython.noop),
        migrations.RunSQL(TRIGGERS, UNDO),
    ]
