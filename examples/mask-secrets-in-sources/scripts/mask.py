"""Mask every match of a pattern below a folder; report file, line and a short digest, never the secret."""

import argparse
import csv
import hashlib
import pathlib
import re


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("--pattern", required=True)
    parser.add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args()
    pattern = re.compile(arguments.pattern)
    with arguments.report.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["file", "line", "sha256_prefix"])
        for path in sorted(arguments.folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            text = path.read_bytes().decode("utf-8", "surrogateescape")
            for found in pattern.finditer(text):
                digest = hashlib.sha256(found.group().encode("utf-8", "surrogateescape")).hexdigest()
                rows.writerow([path.relative_to(arguments.folder), text.count("\n", 0, found.start()) + 1, digest[:8]])
            masked = pattern.sub("[masked]", text)
            if masked != text and not arguments.dry_run:
                path.write_bytes(masked.encode("utf-8", "surrogateescape"))


main()
