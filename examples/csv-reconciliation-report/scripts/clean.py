"""Bring a CSV export into one form: reference and amount_minor, whatever its delimiter, marks and decimal sign."""

import csv
import re
import sys
from decimal import Decimal


def amount_minor(text):
    text = re.sub(r"[^\d.,-]", "", text)
    decimal_sign = max(text.rfind(","), text.rfind("."))
    if decimal_sign >= 0 and len(text) - decimal_sign == 3:
        whole, cents = text[:decimal_sign], text[decimal_sign + 1 :]
    else:
        whole, cents = text, "0"
    return int(Decimal(re.sub(r"[.,]", "", whole) + "." + cents) * 100)


def main(source, target):
    with open(source, newline="", encoding="utf-8-sig") as file:
        text = file.read()
    delimiter = max(";,\t", key=text.split("\n", 1)[0].count)
    seen = {}
    for row in csv.DictReader(text.splitlines(), delimiter=delimiter):
        row = {key.strip().lower(): (value or "").strip() for key, value in row.items() if key}
        reference = row["reference"].upper()
        if reference in seen:
            sys.exit(f"{source}: the reference {reference} stands twice")
        seen[reference] = amount_minor(row["amount"])
    with open(target, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["reference", "amount_minor"])
        rows.writerows(sorted(seen.items()))


main(sys.argv[1], sys.argv[2])
