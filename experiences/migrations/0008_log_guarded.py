"""The log only grows: its rows stay, no number is left out, and its head never goes back."""

from django.db import migrations

TABLES = ("experiences_summary", "experiences_logentry", "experiences_lognode")

MAKE = """
CREATE FUNCTION keiken_log_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.index <> COALESCE((SELECT max(index) + 1 FROM experiences_logentry), 0) THEN
        RAISE EXCEPTION 'the log has no entry %', NEW.index - 1 USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_gap BEFORE INSERT ON experiences_logentry FOR EACH ROW EXECUTE FUNCTION keiken_log_next();
CREATE FUNCTION keiken_log_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.checkpoint <> OLD.checkpoint) THEN
        RAISE EXCEPTION 'the log never goes back from %', OLD.size USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE ON experiences_loghead FOR EACH ROW EXECUTE FUNCTION keiken_log_grows();
CREATE TRIGGER stays BEFORE DELETE ON experiences_loghead FOR EACH ROW EXECUTE FUNCTION keiken_append_only();
"""
UNDO = """
DROP TRIGGER stays ON experiences_loghead;
DROP TRIGGER only_grows ON experiences_loghead;
DROP TRIGGER no_gap ON experiences_logentry;
DROP FUNCTION keiken_log_grows();
DROP FUNCTION keiken_log_next();
"""


class Migration(migrations.Migration):
    dependencies = [("experiences", "0007_log"), ("accounts", "0002_append_only")]
    operations = [
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
                f"DROP TRIGGER append_only ON {table}",
            )
            for table in TABLES
        ),
        migrations.RunSQL(MAKE, UNDO),
    ]
