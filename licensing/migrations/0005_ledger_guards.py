"""The ledger balances, stays as it was written, and no money moves beside it: the database refuses anything else."""

from django.db import migrations

TABLES = ("licensing_ledgertransaction", "licensing_ledgerline", "licensing_movement", "licensing_invoiceentry")

BALANCE = """
CREATE FUNCTION keiken_ledger_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE checked uuid;
BEGIN
    IF TG_TABLE_NAME = 'licensing_ledgerline' THEN
        checked := NEW.transaction_id;
    ELSE
        checked := NEW.id;
    END IF;
    IF EXISTS (
        SELECT 1 FROM licensing_ledgerline WHERE transaction_id = checked GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'ledger transaction % does not balance', checked USING ERRCODE = 'check_violation';
    END IF;
    IF (SELECT count(*) FROM licensing_ledgerline WHERE transaction_id = checked) < 2 THEN
        RAISE EXCEPTION 'ledger transaction % has no lines', checked USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON licensing_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keiken_ledger_balances();
CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON licensing_ledgerline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keiken_ledger_balances();

CREATE FUNCTION keiken_movement_in_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (
        SELECT coalesce(sum(abs(amount_minor)), 0) FROM licensing_ledgerline
        WHERE transaction_id = NEW.transaction_id AND account IN ('cash', 'disputed')
    ) NOT IN (NEW.amount_minor, 2 * NEW.amount_minor) THEN
        RAISE EXCEPTION 'the ledger does not tell of movement %', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER movement_in_ledger AFTER INSERT ON licensing_movement
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keiken_movement_in_ledger();
"""
UNDO = """
DROP TRIGGER movement_in_ledger ON licensing_movement;
DROP TRIGGER ledger_balances ON licensing_ledgerline;
DROP TRIGGER ledger_balances ON licensing_ledgertransaction;
DROP FUNCTION keiken_movement_in_ledger();
DROP FUNCTION keiken_ledger_balances();
"""


class Migration(migrations.Migration):
    dependencies = [("licensing", "0004_money"), ("accounts", "0002_append_only")]
    operations = [
        migrations.RunSQL(BALANCE, UNDO),
        *[
            migrations.RunSQL(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION keiken_append_only()",
                f"DROP TRIGGER append_only ON {table}",
            )
            for table in TABLES
        ],
    ]
