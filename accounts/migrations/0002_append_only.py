"""The audit trail cannot be rewritten, not even by the application: the database refuses it."""

from django.db import migrations

MAKE = """
CREATE FUNCTION keiken_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION keiken_append_only();
"""
UNDO = """
DROP TRIGGER append_only ON accounts_auditentry;
DROP FUNCTION keiken_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]
    operations = [migrations.RunSQL(MAKE, UNDO)]
