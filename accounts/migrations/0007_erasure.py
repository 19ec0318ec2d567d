"""The audit trail stays as it is, but for one thing: whoever is being erased is named by a number from then on.

The database allows it only in the very transaction of the erasure, only for entries about that person, and lets
nothing else of an entry change.
"""

from django.db import migrations

MAKE = """
CREATE FUNCTION keiken_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    gone accounts_person;
    pseudonym text;
BEGIN
    IF TG_OP = 'UPDATE' AND
       (NEW.id, NEW.at, NEW.organization_id, NEW.actor_kind, NEW.actor_id, NEW.api_key_id, NEW.action)
       IS NOT DISTINCT FROM
       (OLD.id, OLD.at, OLD.organization_id, OLD.actor_kind, OLD.actor_id, OLD.api_key_id, OLD.action)
    THEN
        SELECT * INTO gone FROM accounts_person WHERE erased_at = transaction_timestamp() LIMIT 1;
        pseudonym := 'deleted-' || gone.id;
        IF gone.id IS NOT NULL
           AND (NEW.actor_name = OLD.actor_name OR (NEW.actor_name = pseudonym AND OLD.actor_kind = 'person'
                AND (OLD.actor_id = gone.id OR (OLD.actor_id IS NULL AND OLD.actor_name = gone.name))))
           AND (NEW.target = OLD.target OR (NEW.target = pseudonym AND OLD.target = gone.email))
           AND (NEW.details = OLD.details OR (OLD.actor_kind = 'person' AND OLD.actor_id = gone.id
                AND OLD.details->>'holder' IN (gone.email, gone.name)
                AND NEW.details = jsonb_set(OLD.details, '{holder}', to_jsonb(pseudonym))))
        THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER append_only ON accounts_auditentry;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION keiken_audit_stays();
"""
UNDO = """
DROP TRIGGER append_only ON accounts_auditentry;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON accounts_auditentry
    FOR EACH ROW EXECUTE FUNCTION keiken_append_only();
DROP FUNCTION keiken_audit_stays();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_personal")]
    operations = [migrations.RunSQL(MAKE, UNDO)]
