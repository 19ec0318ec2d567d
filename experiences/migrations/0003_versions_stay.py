"""A published version never changes: the database refuses it. It may be yanked, and found by other words."""

from django.db import migrations

MAKE = """
CREATE FUNCTION keiken_version_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR
       (NEW.experience_id, NEW.version, NEW.major, NEW.blob_id, NEW.manifest, NEW.skill, NEW.published_at)
       IS DISTINCT FROM
       (OLD.experience_id, OLD.version, OLD.major, OLD.blob_id, OLD.manifest, OLD.skill, OLD.published_at)
    THEN
        RAISE EXCEPTION 'a published version never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stays BEFORE UPDATE OR DELETE ON experiences_version
    FOR EACH ROW EXECUTE FUNCTION keiken_version_stays();
"""
UNDO = """
DROP TRIGGER stays ON experiences_version;
DROP FUNCTION keiken_version_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("experiences", "0002_append_only")]
    operations = [migrations.RunSQL(MAKE, UNDO)]
