"""Tell the search on which terms what is already offered can be had."""

from django.db import migrations


def list_terms(apps, schema_editor):
    from licensing.domain.bands import lowest_band

    offers = apps.get_model("licensing", "Offer").objects.filter(is_active=True, is_private=False)
    entries = apps.get_model("experiences", "SearchEntry").objects
    found = {}
    for experience, kind, price, currency in offers.exclude(kind="organization").values_list(
        "experience_id", "kind", "price_minor", "currency"
    ):
        found.setdefault(experience, []).append((kind, price, currency))
    for experience, rows in found.items():
        price = lowest_band((price, currency) for kind, price, currency in rows if kind != "request")
        entries.filter(pk=experience).update(license_kinds=sorted({row[0] for row in rows}), price=price)


class Migration(migrations.Migration):
    dependencies = [
        ("marketplace", "0003_histories_stay"),
        ("licensing", "0008_payout_guards"),
        ("experiences", "0016_search_kept"),
    ]
    operations = [migrations.RunPython(list_terms, migrations.RunPython.noop)]
