"""Match two clean files by reference; print how many agree and write down the rest."""

import argparse
import csv


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return {row["reference"]: int(row["amount_minor"]) for row in csv.DictReader(file)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ours")
    parser.add_argument("theirs")
    parser.add_argument("report")
    parser.add_argument("--tolerance", type=int, default=0)
    arguments = parser.parse_args()
    ours, theirs = read(arguments.ours), read(arguments.theirs)
    matched = 0
    with open(arguments.report, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["reference", "finding", "ours_minor", "theirs_minor"])
        for reference in sorted(ours.keys() | theirs.keys()):
            if reference not in theirs:
                rows.writerow([reference, "missing", ours[reference], ""])
            elif reference not in ours:
                rows.writerow([reference, "extra", "", theirs[reference]])
            elif abs(ours[reference] - theirs[reference]) > arguments.tolerance:
                rows.writerow([reference, "amount", ours[reference], theirs[reference]])
            else:
                matched += 1
    print(matched)


main()
