"""A payout that the ledger does not tell of is refused, like every other movement of money."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("licensing", "0007_payouts"), ("licensing", "0005_ledger_guards")]
    operations = [
        migrations.RunSQL(
            "CREATE CONSTRAINT TRIGGER movement_in_ledger AFTER INSERT ON licensing_payout "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keiken_movement_in_ledger()",
            "DROP TRIGGER movement_in_ledger ON licensing_payout",
        )
    ]
